"""The rules on the product: leads through the handler into PostgreSQL, bills from its reports."""

from datetime import UTC, datetime

import httpx
import pytest

from common.settings import settings
from services.reports.api.dependencies import now
from services.reports.app import app
from tests.spec.billing import SUMS, Bill, Billing, Row, Wire, day_of, dollars, instant_of, month_of
from tests.support import oracle
from tests.support.api import amounts, check_shape, path_of, post, register, report, statuses


class ProductBilling(Billing):
    def __init__(self, client: httpx.Client, patch: pytest.MonkeyPatch) -> None:
        self.client = client
        self._patch = patch
        self._dispute_id = ""
        client.event_hooks["response"].append(check_shape)
        register(client, products="abc xyz")

    def register(self, customer: str, timezone: str = "UTC") -> None:
        body = {"name": customer, "email": f"{customer}@partner.example", "timezone": timezone}
        self.client.put(path_of("customers", customer), json=body).raise_for_status()

    def give_each_lead_without_user_its_own(self) -> None:
        self._patch.setenv("MISSING_USER", "per_lead")
        settings.cache_clear()

    def add_card(self, card: oracle.Card, day: str | None = None) -> str:
        answer = self.post_card(card, None if day is None else oracle.instant(instant_of(day)))
        if answer.status_code == 409:
            return "refused"
        answer.raise_for_status()
        return "added"

    def post_card(self, card: oracle.Card, moment: datetime | None = None) -> httpx.Response:
        """The answer to a card that is sent at a moment, before all months unless it says when."""
        rates = [
            {
                "engagement_level": rate.level,
                "amount": dollars(rate.cents),
                "product_id": rate.product_id,
                "lead_type": rate.lead_type,
            }
            for rate in card.rates
        ]
        terms: Wire = {
            "rates": rates,
            "cap": {"amount": dollars(card.cap_cents), "scope": card.cap_scope},
            "duplicates_charged_for": list(card.duplicates_charged_for),
        }
        body: Wire = {
            "name": "Another",
            "customer_id": card.customer_id,
            "valid_from": f"{card.valid_from:%Y-%m}",
            "follows_default": card.follows_default,
        }
        app.dependency_overrides[now] = lambda: moment or datetime(2024, 1, 1, tzinfo=UTC)
        try:
            return self.client.post("/rate-cards", json=body | (terms if rates else {}))
        finally:
            del app.dependency_overrides[now]

    def receive(self, leads: list[Wire]) -> list[str]:
        return statuses(post(self.client, leads))

    def replay(self) -> list[str]:
        answer = self.client.post("/quarantine/replay", json={})
        return [each["status"] for each in answer.json()["results"]]

    def close(self, month: str, customer: str = "acme") -> str:
        path = f"/billing/periods/{month_of(month):%Y-%m}/close"
        answer = self.client.post(path, json={"customer_ids": [customer]})
        if answer.status_code == 409:
            return "refused"
        answer.raise_for_status()
        return str(answer.json()["results"][0]["status"])

    def dispute(self, lead: str, action: str | None = None) -> str:
        body = {"lead_id": lead, "reason": "spam"}
        if action is not None:
            body["action_id"] = self._action_id(lead, action)
        answer = self.client.post("/billing/disputes", json=body)
        if answer.status_code == 409:
            return "refused"
        answer.raise_for_status()
        self._dispute_id = answer.json()["dispute_id"]
        return str(answer.json()["status"])

    def void(self, lead: str, action: str | None = None) -> str:
        body: Wire = {"reason": "sent by mistake"}
        if action is not None:
            body["action_ids"] = [self._action_id(lead, action)]
        answer = self.client.post(path_of("leads", lead, "void"), json=body)
        if answer.status_code == 409:
            return "refused"
        answer.raise_for_status()
        return "voided"

    def _action_id(self, lead: str, action: str) -> str:
        known = self.client.get(path_of("leads", lead)).json()["actions"]
        (action_id,) = (each["action_id"] for each in known if each["action_type"] == action)
        return str(action_id)

    def resolve(self, status: str) -> None:
        verb = {"accepted": "accept", "rejected": "reject"}[status]
        self.client.post(f"/billing/disputes/{self._dispute_id}/{verb}", json={})

    def bill(self, month: str, customer: str = "acme") -> Bill:
        found = report(self.client, customer, f"{month_of(month):%Y-%m}")
        return Bill(
            lines=[_row(line) for line in found["lines"]],
            late_lines=[
                _row(line) | {"month": f"{month_of(line['period']):%B}"}
                for line in found["prior_period"]["lines"]
            ],
            credited=found["credits"]["total"].removeprefix("-"),
            due=found["due"],
        )

    def totals_between(self, since: str, until: str) -> Row:
        query = {"customer_id": "acme", "from": f"{day_of(since)}", "to": f"{day_of(until)}"}
        (entry,) = self.client.get("/billing/reports", params=query).json()["data"]
        return dict(zip(SUMS, amounts(entry["totals"]), strict=True))


def _row(line: Wire) -> Row:
    return {
        "lead": line["lead_id"],
        "product": line["product_id"],
        "type": line["lead_type"],
        "action": oracle.fold(line["action_type"]),
        "level": line["engagement_level"],
        "gross": line["gross"],
        "billed": line["billed"],
        "duplicate": line["savings"]["duplicate"],
        "cap": line["savings"]["cap"],
        "used": line["cap_used_before"],
        "outcome": line["outcome"],
        "repeats": line["duplicate_of"]["lead_id"] if line["duplicate_of"] else "-",
    }
