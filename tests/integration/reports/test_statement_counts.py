"""A request rates once and asks nothing twice: how many statements each report takes."""

import httpx
import pytest

from common.billing_period import Period
from common.database.transactions import snapshot
from common.reports.months import find_month
from services.reports.report_loader import load_report
from tests.support.api import action, lead, post, register
from tests.support.statements import sent_statements
from tests.support.states import InState
from tests.support.ways import VALUES, callers_on_the_way

# A new connection's first questions, and what names the request's principal to the database.
_NOT_COUNTED = ("set_config(", "pg_catalog.version()", "show ", "select current_", "api_keys")
_RATES = "original_lead_id"  # only the statements of common/rating/sql compare with an original


# Nor do months, ids, settings, what was searched for and the report lead anywhere; connections are
# under every statement.
_NO_STEPS = (
    *VALUES,
    "common.billing_period",
    "common.database.",
    "common.identifiers",
    "common.reports.line_search",
    "common.reports.model",
    "common.settings",
)


def fill(gateway: httpx.Client) -> None:
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


@pytest.fixture
def client_with_march_final_and_late_actions(
    gateway: httpx.Client, in_state: InState
) -> httpx.Client:
    """March and April as `fill` has them."""
    in_state("March is final", lambda: fill(gateway))
    return gateway


@pytest.fixture
def client_with_all_final(gateway: httpx.Client, in_state: InState) -> httpx.Client:
    """April is final too, with its prior-period line and its credit."""

    def make() -> None:
        fill(gateway)
        gateway.post("/billing/periods/2024-04/close").raise_for_status()

    in_state("March and April are final", make)
    return gateway


@pytest.mark.parametrize(
    ("extension", "more"),
    [
        ("json", 1),  # a page of lines: whom to rate for it
        ("html", 2),  # and which of its lines are disputed
        ("csv", 1),  # all lines; and before that, how many they are
        ("pdf", 1),
    ],
)
@pytest.mark.parametrize(
    ("period", "most"),
    [
        ("2024-04", 4),  # the month, the cards, the rating, the credits
        ("2024-05", 3),
    ],
)
def test_draft_rates_once(
    client_with_march_final_and_late_actions: httpx.Client,
    period: str,
    most: int,
    extension: str,
    more: int,
) -> None:
    client = client_with_march_final_and_late_actions

    with sent_statements(_NOT_COUNTED) as sent:
        client.get(f"/billing/reports/acme/{period}.{extension}").raise_for_status()

    assert len(sent) <= most + more, sent
    assert sum(_RATES in statement for statement in sent) == 1, sent


@pytest.mark.parametrize("extension", ["json", "html", "csv", "ndjson", "pdf"])
@pytest.mark.parametrize(("period", "most"), [("2024-03", 2), ("2024-04", 4)])
def test_final_report_rates_nothing(
    client_with_all_final: httpx.Client, period: str, most: int, extension: str
) -> None:
    with sent_statements(_NOT_COUNTED) as sent:
        client_with_all_final.get(f"/billing/reports/acme/{period}.{extension}").raise_for_status()

    # The page asks too which of its lines are disputed, and for the mails with the statement.
    assert len(sent) <= most + 2 * (extension == "html"), sent
    assert not any(_RATES in statement for statement in sent), sent


@pytest.mark.parametrize("kind", ["lines", "prior-lines", "users", "leads"])
def test_page_of_a_draft_rates_at_most_once(
    client_with_march_final_and_late_actions: httpx.Client, kind: str
) -> None:
    with sent_statements(_NOT_COUNTED) as sent:
        client_with_march_final_and_late_actions.get(
            f"/billing/reports/acme/2024-04/{kind}"
        ).raise_for_status()

    assert len(sent) <= 5, sent
    assert sum(_RATES in statement for statement in sent) == 1, sent


@pytest.mark.parametrize("kind", ["lines", "prior-lines", "users", "leads"])
def test_page_of_a_final_report_rates_nothing(
    client_with_all_final: httpx.Client, kind: str
) -> None:
    with sent_statements(_NOT_COUNTED) as sent:
        client_with_all_final.get(f"/billing/reports/acme/2024-04/{kind}").raise_for_status()

    assert len(sent) <= 3, sent  # the month, the page, the cards of prior-period lines
    assert not any(_RATES in statement for statement in sent), sent


@pytest.mark.parametrize(
    ("lead_id", "most", "rated"),
    [
        ("march", 6, 0),  # final, disputed
        ("late", 6, 1),
        ("may", 5, 1),
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

    assert len(sent) <= 7, sent
    assert sum(_RATES in statement for statement in sent) == 1, sent


@pytest.mark.usefixtures("client_with_march_final_and_late_actions")
def test_draft_passes_eight_modules_and_comes_back_to_few() -> None:
    def load() -> None:
        with snapshot() as session:
            month = find_month(session, "acme", Period.parse("2024-04"))
            list(load_report(session, month, limit=100)[0].lines)

    load()
    way = callers_on_the_way(load, _NO_STEPS)

    assert list(way) == [
        "common.reports.months",
        "common.reports.draft",
        "common.rating.rate_cards",
        "common.reports.draft_page",
        "common.rating.line",
        "common.rating.periods",
        "common.reports.rows",
        "common.invoicing.details",
        "common.disputes.credits",
    ]
    came_back = {module: callers for module, callers in way.items() if len(callers) > 1}
    assert came_back == {
        "common.rating.line": {
            "common.reports.draft_page",
            "common.reports.rows",
            "common.reports.draft",
        }
    }
