"""A request rates once and asks nothing twice: how many statements each report takes."""

import httpx
import pytest

from tests.support.api import action, lead, post, register
from tests.support.statements import sent_statements

# A new connection's first questions, and what names the request's principal to the database.
_NOT_COUNTED = ("set_config(", "pg_catalog.version()", "show ", "select current_", "api_keys")
_RATES = "original_lead_id"  # only the statements of common/rating/sql compare with an original


@pytest.fixture
def client_with_march_final_and_late_actions(gateway: httpx.Client) -> httpx.Client:
    """March is final, an accepted dispute credits a line of it, and an action came too late.

    So April, the first open month, has lines of its own, a prior-period line and a credit; May has
    lines only.
    """
    register(gateway)
    post(gateway, lead("march", action(timestamp="2024-03-10T10:00:00Z"))).raise_for_status()
    gateway.post("/billing/periods/2024-03/close").raise_for_status()
    dispute = {"lead_id": "march", "reason": "spam"}
    opened = gateway.post("/billing/disputes", json=dispute).raise_for_status().json()
    gateway.post(f"/billing/disputes/{opened['dispute_id']}/accept").raise_for_status()
    late = action("Share", "2024-03-11T10:00:00Z")
    april = action(timestamp="2024-04-10T10:00:00Z")
    may = action(timestamp="2024-05-10T10:00:00Z")
    leads = [lead("late", late, april), lead("may", may)]
    post(gateway, leads).raise_for_status()
    return gateway


@pytest.fixture
def client_with_all_final(
    client_with_march_final_and_late_actions: httpx.Client,
) -> httpx.Client:
    """April is final too, with its prior-period line and its credit."""
    client = client_with_march_final_and_late_actions
    client.post("/billing/periods/2024-04/close").raise_for_status()
    return client


@pytest.mark.parametrize("extension", ["json", "html", "csv", "pdf"])
@pytest.mark.parametrize(
    ("period", "most"),
    [
        ("2024-04", 4),  # the month, the cards, the rating, the credits
        ("2024-05", 3),
    ],
)
def test_draft_rates_once(
    client_with_march_final_and_late_actions: httpx.Client, period: str, most: int, extension: str
) -> None:
    client = client_with_march_final_and_late_actions

    with sent_statements(_NOT_COUNTED) as sent:
        client.get(f"/billing/reports/acme/{period}.{extension}").raise_for_status()

    assert len(sent) <= most, sent
    assert sum(_RATES in statement for statement in sent) == 1, sent


@pytest.mark.parametrize("extension", ["json", "html", "csv", "pdf"])
@pytest.mark.parametrize(("period", "most"), [("2024-03", 2), ("2024-04", 4)])
def test_final_report_rates_nothing(
    client_with_all_final: httpx.Client, period: str, most: int, extension: str
) -> None:
    with sent_statements(_NOT_COUNTED) as sent:
        client_with_all_final.get(f"/billing/reports/acme/{period}.{extension}").raise_for_status()

    assert len(sent) <= most, sent
    assert not any(_RATES in statement for statement in sent), sent


@pytest.mark.parametrize(
    ("lead_id", "most", "rated"),
    [
        ("march", 5, 0),  # final, disputed
        ("late", 5, 1),
        ("may", 4, 1),
    ],
)
def test_lead_rates_at_most_once(
    client_with_march_final_and_late_actions: httpx.Client, lead_id: str, most: int, rated: int
) -> None:
    with sent_statements(_NOT_COUNTED) as sent:
        client_with_march_final_and_late_actions.get(
            f"/leads/{lead_id}", params={"customer_id": "acme"}
        ).raise_for_status()

    assert len(sent) <= most, sent
    assert sum(_RATES in statement for statement in sent) == rated, sent


def test_list_of_reports_rates_once(
    client_with_march_final_and_late_actions: httpx.Client,
) -> None:
    with sent_statements(_NOT_COUNTED) as sent:
        client_with_march_final_and_late_actions.get("/billing/reports").raise_for_status()

    assert len(sent) <= 6, sent
    assert sum(_RATES in statement for statement in sent) == 1, sent
