"""A report over HTTP: a header, and pages of lines, users and leads that go on behind it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from scripts import report
from services.reports.api.fitting import fitting
from services.reports.api.schemas.reports import Warning
from tests.support.api import action, lead, post, register
from tests.support.pages import pages
from tests.support.states import InState

APRIL = "/billing/reports/acme/2024-04"
# The member of the header that holds the first page, and its cursor.
LISTS = {
    "lines": ("lines", "next_cursor"),
    "users": ("by_user", "next_users_cursor"),
    "leads": ("by_lead", "next_leads_cursor"),
}
SMALL, LARGE = 120, 3


def fill(api: httpx.Client) -> None:
    """April with more users and leads than a header names: small ones alike, and some larger."""
    register(api)
    at = "2024-04-10T10:00:00Z"
    small = [
        lead(f"l{n:03d}", action("Call", at), user={"email": f"u{n:03d}@people.test"})
        for n in range(SMALL)
    ]
    large = [
        lead(
            f"large{n}",
            *(action(f"Kind {kind}", at) for kind in range(n + 2)),
            user={"external_id": f"crm-{n}"},
            lead_type="Webinar",
        )
        for n in range(LARGE)
    ]
    post(api, small + large).raise_for_status()


@pytest.fixture
def client_with_many_leads(api: httpx.Client, in_state: InState) -> httpx.Client:
    """April as `fill` has it."""
    in_state("draft of many leads", lambda: fill(api))
    return api


@pytest.fixture(params=["draft", "final"])
def april(api: httpx.Client, request: pytest.FixtureRequest, in_state: InState) -> httpx.Client:
    """The same April, open or closed."""

    def make() -> None:
        fill(api)
        if request.param == "final":
            close(api, "2024-04")

    in_state(f"{request.param} of many leads", make)
    return api


def close(client: httpx.Client, period: str) -> None:
    client.post(f"/billing/periods/{period}/close").raise_for_status()


def get(client: httpx.Client, path: str, **query: Any) -> Any:
    return client.get(path, params=query).raise_for_status().json()


def behind(client: httpx.Client, kind: str, cursor: str | None, limit: int) -> Iterator[Any]:
    if cursor is not None:
        yield from pages(client, f"{APRIL}/{kind}", cursor=cursor, limit=limit)


@pytest.mark.parametrize("kind", LISTS)
def test_header_and_the_pages_behind_it_hold_everything_once(
    april: httpx.Client, kind: str
) -> None:
    header = get(april, APRIL, limit=50)
    member, cursor = LISTS[kind]
    alone = list(pages(april, f"{APRIL}/{kind}", limit=7))

    assert [*header[member], *behind(april, kind, header[cursor], 9)] == alone
    assert len({str(entry) for entry in alone}) == len(alone)


def test_header_names_the_largest_and_counts_all(april: httpx.Client) -> None:
    header = get(april, APRIL)

    for member, count in (("by_user", "user_count"), ("by_lead", "lead_count")):
        amounts = [float(entry["totals"]["gross"]) for entry in header[member]]
        assert len(amounts) == 100
        assert header[count] == SMALL + LARGE
        assert amounts[:LARGE] == [40, 30, 20]
        assert amounts == sorted(amounts, reverse=True)
    assert header["next_cursor"] is None
    assert len(header["lines"]) == header["totals"]["actions"]


@pytest.mark.parametrize("kind", LISTS)
def test_pages_add_up_to_the_totals_of_the_header(april: httpx.Client, kind: str) -> None:
    header = get(april, APRIL)

    found = list(pages(april, f"{APRIL}/{kind}"))

    sums = [entry.get("totals", entry) for entry in found]
    assert sum(float(each["billed"]) for each in sums) == float(header["totals"]["billed"])
    assert sum(each.get("actions", 1) for each in sums) == header["totals"]["actions"]


@pytest.mark.parametrize("kind", LISTS)
def test_cursor_of_a_draft_goes_on_in_the_final_report(
    client_with_many_leads: httpx.Client, kind: str
) -> None:
    client = client_with_many_leads
    whole = list(pages(client, f"{APRIL}/{kind}"))
    first = get(client, f"{APRIL}/{kind}", limit=50)
    close(client, "2024-04")

    rest = list(pages(client, f"{APRIL}/{kind}", cursor=first["next_cursor"], limit=20))

    assert [*first["data"], *rest] == whole


def test_line_that_comes_before_the_cursor_of_a_draft_does_not_move_its_page(
    client_with_many_leads: httpx.Client,
) -> None:
    client = client_with_many_leads
    whole = list(pages(client, f"{APRIL}/lines"))
    cursor = get(client, f"{APRIL}/lines", limit=50)["next_cursor"]
    post(client, lead("early", action("Call", "2024-04-01T00:00:00Z"))).raise_for_status()
    of_draft = list(pages(client, f"{APRIL}/lines", cursor=cursor))
    close(client, "2024-04")

    of_final = list(pages(client, f"{APRIL}/lines", cursor=cursor))

    assert of_draft == of_final == whole[50:]


def test_cursor_of_a_line_that_was_voided_goes_on_behind_its_place(
    client_with_many_leads: httpx.Client,
) -> None:
    client = client_with_many_leads
    whole = list(pages(client, f"{APRIL}/lines"))
    page = get(client, f"{APRIL}/lines", limit=50)
    gone = page["data"][-1]["lead_id"]
    void = {"customer_id": "acme", "reason": "sent by mistake"}
    client.post(f"/leads/{gone}/void", json=void).raise_for_status()
    close(client, "2024-04")

    rest = list(pages(client, f"{APRIL}/lines", cursor=page["next_cursor"]))

    assert [line["action_id"] for line in rest] == [
        line["action_id"] for line in whole[50:] if line["lead_id"] != gone
    ]


@pytest.mark.parametrize(
    ("kind", "query", "count"),
    [
        ("lines", {"lead_type": "Webinar"}, 9),
        ("lines", {"product_id": "abc"}, SMALL + 9),
        ("lines", {"user": "CRM-1"}, 3),
        ("lines", {"lead": "arge0"}, 2),
        ("lines", {"engagement_level": "Low"}, 0),
        ("lines", {"outcome": "billed", "lead_type": "Webinar"}, 9),
        ("lines", {"outcome": "duplicate"}, 0),
        ("users", {"user": "CRM"}, LARGE),
        ("users", {"user": "u00"}, 10),
        ("leads", {"lead_type": "Webinar"}, LARGE),
        ("leads", {"product_id": "abc", "lead": "l00"}, 10),
        ("leads", {"user": "crm-2"}, 1),
    ],
)
def test_filters_choose_among_all_pages(
    april: httpx.Client, kind: str, query: dict[str, str], count: int
) -> None:
    everything = list(pages(april, f"{APRIL}/{kind}"))

    found = list(pages(april, f"{APRIL}/{kind}", limit=4, **query))

    assert len(found) == count
    assert found == [entry for entry in everything if entry in found]


@pytest.mark.parametrize("path", ["", "/lines", "/prior-lines", "/users", "/leads"])
def test_page_is_of_at_most_a_thousand(acme: httpx.Client, path: str) -> None:
    assert acme.get(f"{APRIL}{path}", params={"limit": 1_000}).status_code == 200
    assert acme.get(f"{APRIL}{path}", params={"limit": 1_001}).status_code == 422
    assert acme.get(f"{APRIL}{path}", params={"limit": 0}).status_code == 422


def test_prior_period_lines_come_in_pages_in_the_draft_as_in_the_final_report(
    acme: httpx.Client,
) -> None:
    post(acme, lead("l1", action("Own", "2024-03-01T10:00:00Z"))).raise_for_status()
    close(acme, "2024-03")
    late = [action(f"Late {n}", f"2024-03-{n + 1:02d}T10:00:00Z") for n in range(5)]
    late += [action("Later", "2024-02-01T10:00:00Z"), action("Own", "2024-04-02T10:00:00Z")]
    post(acme, lead("l2", *late)).raise_for_status()
    header = get(acme, APRIL)
    first = get(acme, f"{APRIL}/prior-lines", limit=2)
    of_draft = list(pages(acme, f"{APRIL}/prior-lines", limit=2))
    close(acme, "2024-04")

    rest = list(pages(acme, f"{APRIL}/prior-lines", limit=2, cursor=first["next_cursor"]))

    assert [line["period"] for line in of_draft] == ["2024-02"] + ["2024-03"] * 5
    assert of_draft == header["prior_period"]["lines"]
    assert [*first["data"], *rest] == of_draft
    assert list(pages(acme, f"{APRIL}/prior-lines", limit=2)) == of_draft


def test_month_without_a_report_of_its_own_has_empty_pages(acme: httpx.Client) -> None:
    post(acme, lead("l1", action("Call", "2024-05-02T10:00:00Z"))).raise_for_status()
    close(acme, "2024-05")

    for kind in (*LISTS, "prior-lines"):
        assert get(acme, f"{APRIL}/{kind}") == {"data": [], "next_cursor": None}


@pytest.mark.parametrize("status", ["draft", "final"])
def test_no_answer_is_larger_than_what_is_carried(api: httpx.Client, status: str) -> None:
    wide = "\N{HUGGING FACE}"
    register(api, customers={"acme": "UTC"}, products=wide * 128)
    actions = [action(f"{n:03d}" + wide * 196, "2024-04-01T10:00:00Z") for n in range(900)]
    long = lead(
        wide * 128,
        *actions,
        product_id=wide * 128,
        user={"external_id": wide * 320},
    )
    post(api, long).raise_for_status()
    if status == "final":
        close(api, "2024-04")

    answers = [api.get(APRIL).raise_for_status()]
    found = answers[0].json()["lines"]
    cursor = answers[0].json()["next_cursor"]
    while cursor is not None:
        answers.append(api.get(f"{APRIL}/lines", params={"cursor": cursor}).raise_for_status())
        found += answers[-1].json()["data"]
        cursor = answers[-1].json()["next_cursor"]

    assert len(answers) > 1
    assert max(len(answer.content) for answer in answers) <= 4 * 1024 * 1024
    assert sorted(line["action_type"] for line in found) == sorted(
        each["action_type"] for each in actions
    )


@pytest.mark.parametrize("most", [0, 30, 50, 120, 500])
def test_command_fetches_as_many_lines_as_it_prints(
    client_with_many_leads: httpx.Client, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    whole = get(client_with_many_leads, APRIL)["lines"]
    monkeypatch.setattr(report, "_MAX_PAGE", 50)

    fetched = report.fetch_report(client_with_many_leads, "acme", "2024-04", most)

    assert fetched["lines"] == whole[: max(most, 1)]


@pytest.mark.parametrize(("room", "count"), [(0, 1), (99, 1), (250, 2), (10_000, 3)])
def test_as_many_fit_as_there_is_room_for_and_at_least_one(room: int, count: int) -> None:
    items = [Warning(code="x", detail="é" * 40)] * 3  # 103 bytes each, and a comma

    assert fitting(items, room) == count
    assert fitting([], room) == 0
