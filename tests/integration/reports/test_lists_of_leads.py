"""GET /leads and GET /leads/{lead_id}: filters, pages and refusals."""

from datetime import date
from uuid import uuid4

import httpx
import pytest

from common.identifiers import customer_id, lead_id, product_id
from common.leads.search import LeadFilter
from common.reports.line_search import LineSearch
from services.reports.api import pagination
from services.reports.api.pagination import to_cursor
from tests.support.api import Wire, action, amounts, lead, path_of, post, register, report, statuses
from tests.support.pages import pages

LEADS = "leads", LeadFilter()
ODD_IDS = [
    "a/b",
    "a.b",
    "v1.csv",
    "a b",
    " ",
    "é/💡",
    "a?b=c#d",
    "100%",
    "%2F",
    "..",
    "x+y",
    "a\nb",
]


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["lead_id"] for row in answer.json()["data"]]


# --- GET /leads


def test_page_holds_fewer_leads_where_they_are_long(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{number}-" + "long" * 20 for number in range(6)]
    for name in names:
        post(acme, lead(name, action())).raise_for_status()
    whole = acme.get("/leads").raise_for_status()
    monkeypatch.setattr(pagination, "MAX_ANSWER_BYTES", len(whole.content) // 2)

    assert len(ids(acme.get("/leads", params={"limit": 5}))) < 4
    assert sorted(row["lead_id"] for row in pages(acme, "/leads", limit=5)) == names


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["l4", "l3", "l2", "l1"]),
        ({"customer_id": "acme"}, ["l4", "l2", "l1"]),
        ({"customer_id": str(customer_id("acme"))}, ["l4", "l2", "l1"]),
        ({"customer_id": str(customer_id("acme")).upper()}, ["l4", "l2", "l1"]),
        ({"product_id": "def"}, ["l2"]),
        ({"product_id": str(product_id("def"))}, ["l2"]),
        ({"lead_type": "Webinar"}, ["l3"]),
        ({"user": "ANN@people.test"}, ["l3", "l1"]),
        ({"user": "ann@people.test", "customer_id": "beta"}, ["l3"]),
        ({"user": "+15550100"}, ["l2"]),
        ({"user": "stranger"}, []),
        ({"engagement_level": "High"}, ["l2"]),
        ({"action_type": " page  view "}, ["l1"]),
        ({"action_type": "call", "engagement_level": "Medium"}, ["l3"]),
        ({"action_type": "Page View", "engagement_level": "High"}, []),
        ({"from": "2024-04-02T09:00:00Z"}, ["l4", "l3", "l2"]),
        ({"to": "2024-04-02T09:00:00Z"}, ["l1"]),
        ({"from": "2024-04-02T11:00:00+02:00", "to": "2024-05-03"}, ["l3", "l2"]),
        ({"from": "2024-05-03"}, ["l4"]),
        ({"to": "0001-01-01"}, []),
        ({"from": "9999-12-31"}, []),
    ],
)
def test_filter_of_leads(two_customers: httpx.Client, query: Wire, expected: list[str]) -> None:
    assert ids(two_customers.get("/leads", params=query)) == expected


@pytest.mark.parametrize("query", [{"customer_id": "nobody"}, {"lead_type": "' or 1=1 --"}])
def test_filter_by_what_is_unknown_is_refused(
    two_customers: httpx.Client, query: dict[str, str]
) -> None:
    answer = two_customers.get("/leads", params=query)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/query/{min(query)}"]


def test_bare_date_is_midnight_in_each_customers_zone(api: httpx.Client) -> None:
    register(api, customers={"acme": "America/New_York", "beta": "UTC"})
    night = "2024-04-02T03:00:00Z"  # still the first of April in New York
    post(api, [lead("a", created_at=night), lead("b", created_at=night, customer_id="beta")])

    assert ids(api.get("/leads", params={"from": "2024-04-02"})) == ["b"]
    assert ids(api.get("/leads", params={"to": "2024-04-02"})) == ["a"]


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_pages_of_leads_repeat_and_skip_nothing(acme: httpx.Client, limit: int) -> None:
    days = [f"2024-04-{number % 3 + 1:02d}T00:00:00Z" for number in range(14)]
    post(acme, [lead(f"l{number}", created_at=day) for number, day in enumerate(days)])

    paged = [row["lead_id"] for row in pages(acme, "/leads", limit=limit)]

    assert paged == ids(acme.get("/leads"))
    assert sorted(paged) == sorted(f"l{number}" for number in range(14))


def test_leads_that_arrive_between_pages_shift_nothing(acme: httpx.Client) -> None:
    post(acme, [lead(f"old{n}", created_at=f"2024-04-{n + 10:02d}T00:00:00Z") for n in range(6)])

    seen = []
    for number, row in enumerate(pages(acme, "/leads", limit=2)):
        seen.append(row["lead_id"])
        post(acme, lead(f"new{number}", created_at="2024-05-01T00:00:00Z"))

    assert seen == [f"old{n}" for n in reversed(range(6))]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": "0"}, "/query/limit"),
        ({"limit": "501"}, "/query/limit"),
        ({"limit": "many"}, "/query/limit"),
        ({"limit": "9" * 5000}, "/query/limit"),
        ({"cursor": "nonsense"}, "/query/cursor"),
        ({"cursor": "💡"}, "/query/cursor"),
        ({"cursor": to_cursor(("2024-04-01T00:00:00-23:59", "x"), LEADS)}, "/query/cursor"),
        (
            {"cursor": to_cursor(("2024-04-01T00:00:00-23:59", str(uuid4())), LEADS)},
            "/query/cursor",
        ),
        ({"cursor": to_cursor(("2024-04-01T00:00:00", str(uuid4())), LEADS)}, "/query/cursor"),
        ({"from": "yesterday"}, "/query/from"),
        ({"from": "2024-04-01T00:00:00"}, "/query/from"),
        ({"to": "2024-02-30"}, "/query/to"),
        ({"to": "0000-01-01"}, "/query/to"),
        ({"to": "0001-01-01T00:00:00+23:59"}, "/query/to"),
        ({"engagement_level": "Extreme"}, "/query/engagement_level"),
        ({"customer_id": "x" * 129}, "/query/customer_id"),
        ({"customer_id": ""}, "/query/customer_id"),
        ({"user": "a\0b"}, "/query/user"),
    ],
)
def test_refused_parameter_is_named(two_customers: httpx.Client, query: Wire, pointer: str) -> None:
    answer = two_customers.get("/leads", params=query)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("path", ["/customers", "/products"])
def test_cursor_that_no_page_gave_is_refused(two_customers: httpx.Client, path: str) -> None:
    list_of_path = path.removeprefix("/"), None
    sound, hostile = (to_cursor(place, list_of_path) for place in ("a", "a\0b"))

    assert two_customers.get(path, params={"cursor": sound}).status_code == 200
    assert two_customers.get(path, params={"cursor": hostile}).status_code == 422


def test_cursor_is_good_for_its_list_and_filters_alone(two_customers: httpx.Client) -> None:
    register(two_customers, products="cde")
    others = {
        "/customers": ["/products"],
        "/products": ["/customers"],
        "/leads": ["/leads?customer_id=beta", "/leads?from=2024-04-01", "/customers"],
        "/leads?product_id=abc": ["/leads", "/leads?customer_id=acme"],
        "/billing/reports": ["/billing/reports?customer_id=acme", "/billing/reports?status=draft"],
        "/audit": ["/audit?subject=customer", "/keys"],
    }

    for address, foreign in others.items():
        cursor = _asked(two_customers, address, limit="1").json()["next_cursor"]
        assert cursor is not None, address
        assert _behind(two_customers, address, cursor).status_code == 200, address
        for other in foreign:
            refused = _behind(two_customers, other, cursor)
            assert refused.status_code == 422, (address, other)
            assert refused.json()["errors"][0]["code"] == "invalid_cursor"


def test_cursor_of_a_report_is_good_for_its_month_and_filters_alone(acme: httpx.Client) -> None:
    actions = [action(f"a{n}") for n in range(3)]
    later = action("b", "2024-05-02T00:00:00Z")
    post(acme, [lead("l1", *actions, later), lead("l2", *actions, user={"email": "a@b.test"})])
    report = "/billing/reports/acme/2024-04"

    for part in ("lines", "users", "leads"):
        address = f"{report}/{part}"
        cursor = acme.get(address, params={"limit": 1}).json()["next_cursor"]
        assert _behind(acme, address, cursor).status_code == 200
        for other in (
            f"{address}?user=a",
            f"/billing/reports/acme/2024-05/{part}",
            *(f"{report}/{name}" for name in ("lines", "users", "leads") if name != part),
        ):
            assert _behind(acme, other, cursor).status_code == 422, (address, other)
    first = acme.get(report, params={"limit": 1}).json()
    assert _behind(acme, f"{report}/lines", first["next_cursor"]).status_code == 200


def _behind(client: httpx.Client, address: str, cursor: str) -> httpx.Response:
    return _asked(client, address, cursor=cursor)


def _asked(client: httpx.Client, address: str, **more: str) -> httpx.Response:
    return client.get(str(httpx.URL(address).copy_merge_params(more)))


def test_cursor_of_lines_with_a_huge_number_is_refused(two_customers: httpx.Client) -> None:
    place = ("2024-04-01T00:00:00Z", "2024-04-01T00:00:00Z", str(uuid4()), "k", "High", 2**40)

    lines = "lines", customer_id("acme"), date(2024, 4, 1), LineSearch()
    cursor = to_cursor(place, lines)
    answer = two_customers.get("/billing/reports/acme/2024-04/lines", params={"cursor": cursor})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "invalid_cursor"


# --- GET /leads/{lead_id}


def test_lead_shows_what_became_of_each_action(acme: httpx.Client) -> None:
    post(acme, lead("l1", action(), action(), action(timestamp="2024-05-01T00:00:00Z")))

    shown = acme.get("/leads/l1").json()

    assert [row["outcome"] for row in shown["actions"]] == ["billed", "duplicate", "billed"]
    assert [row["period"] for row in shown["actions"]] == ["2024-04", "2024-04", "2024-05"]
    assert amounts(shown["totals"]) == ("30.00", "20.00", "10.00", "0.00")
    assert acme.get(path_of("leads", str(lead_id(customer_id("acme"), "l1")))).json() == shown


def test_lead_that_is_not_stored_is_404(acme: httpx.Client) -> None:
    assert acme.get("/leads/none").status_code == 404


@pytest.mark.parametrize("odd", ODD_IDS)
def test_odd_ids_lead_to_what_they_name(api: httpx.Client, odd: str) -> None:
    register(api, customers={odd: "UTC"}, products="abc")
    posted = post(api, lead(odd, action(), customer_id=odd, user={"phone": "1"}))

    assert statuses(posted) == ["created"]
    assert api.get(path_of("leads", odd)).json()["lead_id"] == odd
    for form in (odd, str(customer_id(odd))):
        bill = report(api, form, "2024-04")
        assert (bill["customer_id"], bill["totals"]["billed"]) == (odd, "10.00")
        for extension in ("csv", "html", "json"):
            shown = api.get(path_of("billing", "reports", form, f"2024-04.{extension}"))
            assert shown.status_code == 200
