"""The rules on the oracle: plain Python, without the product and without a database."""

from dataclasses import replace
from functools import cached_property

from tests.spec.billing import Bill, Billing, Row, Wire, day_of, dollars, instant_of, month_of, sums
from tests.support import oracle
from tests.support.closing_oracle import Ledger


class OracleBilling(Billing):
    def __init__(self) -> None:
        self._zones = {"acme": "UTC"}
        self._user_per_lead = False
        self._stored: oracle.Stored = {}
        self._quarantine: list[Wire] = []

    @cached_property
    def _ledger(self) -> Ledger:
        return Ledger(self._zones, [oracle.DEFAULT_CARD], self._user_per_lead)

    def register(self, customer: str, timezone: str = "UTC") -> None:
        self._zones[customer] = timezone

    def give_each_lead_without_user_its_own(self) -> None:
        self._user_per_lead = True

    def add_card(self, card: oracle.Card, day: str | None = None) -> str:
        version = self._ledger.newest_version(card.customer_id) + 1
        moment = None if day is None else oracle.instant(instant_of(day))
        return self._ledger.change_card(replace(card, version=version), moment)

    def receive(self, leads: list[Wire]) -> list[str]:
        return [self._receive(lead) for lead in leads]

    def _receive(self, lead: Wire) -> str:
        if lead["customer_id"] not in self._zones:
            self._quarantine.append(lead)
            return "quarantined"
        status = oracle.receive(self._stored, lead, self._ledger.voided)
        if status in {"created", "updated"}:
            self._ledger.post([lead])
        return status

    def replay(self) -> list[str]:
        waiting, self._quarantine = self._quarantine, []
        return self.receive(waiting)

    def close(self, month: str, customer: str = "acme") -> str:
        return self._ledger.close(customer, month_of(month))

    def dispute(self, lead: str, action: str | None = None) -> str:
        return self._ledger.dispute("acme", lead, self._action(lead, action))

    def void(self, lead: str, action: str | None = None) -> str:
        return self._ledger.void("acme", lead, self._action(lead, action))

    def _action(self, lead: str, action: str | None) -> oracle.Action | None:
        known = {
            oracle.fold(act["action_type"]): found
            for sent in self._ledger.leads
            if sent["lead_id"] == lead
            for act, found in zip(sent["actions"], oracle.actions_of(sent), strict=True)
        }
        return None if action is None else known[oracle.fold(action)]

    def resolve(self, status: str) -> None:
        self._ledger.resolve(len(self._ledger.disputes) - 1, status)

    def bill(self, month: str, customer: str = "acme") -> Bill:
        period = month_of(month)
        statement = self._ledger.statement(customer, period)
        return Bill(
            lines=[_row(line) for line in statement.lines],
            late_lines=[
                _row(line) | {"month": f"{own:%B}"}
                for own, line in statement.every_line(period)
                if own != period
            ],
            credited=dollars(sum(amount for _, amount in statement.credits)),
            due=dollars(statement.due),
        )

    def totals_between(self, since: str, until: str) -> Row:
        start, end = day_of(since), day_of(until)
        lines = self._ledger.statement("acme", start.replace(day=1)).lines
        return sums([_row(line) for line in lines if start <= line.action[2].date() < end])


def _row(line: oracle.Line) -> Row:
    action, level, _, _ = line.action
    return {
        "lead": line.lead_id,
        "product": line.product_id,
        "type": line.lead_type,
        "action": action,
        "level": level,
        "gross": dollars(line.gross),
        "billed": dollars(line.billed),
        "duplicate": dollars(line.duplicate),
        "cap": dollars(line.cap),
        "used": dollars(line.cap_used_before),
        "outcome": line.outcome,
        "repeats": line.duplicate_of[0] if line.duplicate_of else "-",
    }
