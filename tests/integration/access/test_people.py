"""Who sees the people behind leads: users are masked for a viewer."""

import httpx
import pytest
from sqlalchemy import text

from common.database.transactions import transaction
from common.leads.masking import masked_user
from tests.integration.access.conftest import As
from tests.support.api import action, lead, post

MAY = "/billing/reports/acme/2024-05"
PLACES_OF_USERS = [
    "/leads",
    "/leads/acme-april?customer_id=acme",
    "/leads/acme-phone?customer_id=acme",
    "/leads/quarantined",
    "/quarantine",
    *(
        f"/billing/reports/acme/{period}{end}"
        for period in ("2024-04", "2024-05")
        for end in ("", ".csv", ".ndjson", ".html", "/lines", "/users", "/leads", "/prior-lines")
    ),
    *(
        f"/console/report-{kind}?customer_id=acme&period={period}"
        for kind in ("users", "leads")
        for period in ("2024-04", "2024-05")
    ),
    "/console/leads",
    "/console/lead?id=acme-april&customer_id=acme",
    "/console/lead?id=acme-phone&customer_id=acme",
    "/console/quarantine",
    "/console/disputes",
    "/billing/disputes",
    "/",
]


@pytest.mark.parametrize("customer", ["acme", None])
def test_viewer_without_people_sees_no_contact_anywhere(
    two_customers: httpx.Client, client_as: As, customer: str | None
) -> None:
    phone = {"phone": "+49 30 901820", "email": "second@people.test", "external_id": "u@crm.test"}
    of_may = action(timestamp="2024-05-03T09:00:00Z")
    post(two_customers, lead("acme-phone", of_may, user=phone)).raise_for_status()
    post(two_customers, lead("acme-late", action("Share"), user={"phone": "+49 30 901821"}))
    two_customers.post("/billing/disputes", json={"lead_id": "acme-april", "reason": "spam"})
    masked, full = client_as("viewer", customer), client_as("viewer+people", customer)
    whole = ""
    for address in PLACES_OF_USERS:
        answer = masked.get(address)
        assert answer.status_code == 200, (address, answer.text)
        for contact in ("april@people", "may@people", "stray@people", "second@people", "u@crm"):
            assert contact not in answer.text, address
        assert "4930901" not in answer.text, address
        whole += full.get(address).raise_for_status().text
    for contact in ("acme-may@people.test", "acme-stray@people.test", "+4930901820"):
        assert contact in whole

    assert [user["user"] for user in masked.get(f"{MAY}/users").json()["data"]] != [None] * 2
    for part, found in (("may@", 0), ("a***@people", 1), ("", None)):
        query = {"user": part} if part else {}
        for kind in ("lines", "users", "leads"):
            rows = masked.get(f"{MAY}/{kind}", params=query).json()["data"]
            assert found is None or len(rows) == found, (part, kind)
    key = masked.get(f"{MAY}/lines").json()["data"][0]["user_key"]
    assert len(masked.get("/leads", params={"user": key}).json()["data"]) >= 1


USERS_TO_MASK = [
    *("ann@x.test", "@x.test", "a@b@c", "@b@c", "é@ü.test", "a\nb@c", "+4930901820", "0301234567"),
    *(
        "123456",
        "12345",
        "+1234",
        "crm-17",
        "",
        "+",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "1234567\n",
        "\n@\n",
    ),
]


def test_database_masks_as_files_do(configured_database: str) -> None:
    with transaction() as session:
        masked = [
            session.scalar(text("select masked_user(:user)"), {"user": user})
            for user in USERS_TO_MASK
        ]

    assert masked == [masked_user(user) for user in USERS_TO_MASK]


def test_masked_people_are_searched_for_by_the_whole_of_what_they_are_known_by_alone(
    two_customers: httpx.Client, client_as: As
) -> None:
    def found(role: str, words: str) -> str:
        answer = client_as(role).get("/console/search", params={"q": words})
        return answer.raise_for_status().text

    assert ">acme-april@people.test</a>" in found("viewer+people", "e-april@")
    assert "People are found by their whole email" in found("viewer", "e-april@")
    assert ">a***@people.test</a>" in found("viewer", "ACME-april@people.test")
