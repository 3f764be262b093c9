"""The reporting routes: every filter, page, form and refusal of the contract."""

import csv
import io
from collections.abc import Iterator
from html import unescape
from typing import Any
from uuid import uuid4

import httpx
import pytest

from common.identifiers import customer_id, lead_id, product_id
from common.version import VERSION
from services.reports.api.pagination import to_cursor
from services.reports.http.body_limit import MAX_BODY_BYTES
from tests.support.api import (
    Wire,
    action,
    amounts,
    lead,
    path_of,
    post,
    register,
    report,
    statuses,
    without,
)

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
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
    return [each["lead_id"] for each in answer.json()["data"]]


def pages(client: httpx.Client, path: str, **query: Any) -> Iterator[Wire]:
    """Every entry of a list, page by page."""
    while True:
        answer = client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        yield from answer.json()["data"]
        query["cursor"] = answer.json()["next_cursor"]
        if query["cursor"] is None:
            return


@pytest.fixture
def two_customers(api: httpx.Client) -> httpx.Client:
    """Two customers, two products, some people, two months."""
    register(api, customers={"acme": "America/New_York", "beta": "UTC"}, products="abc def")
    ann, bob = {"email": "ann@people.test"}, {"phone": "+1 555 01"}
    post(
        api,
        [
            lead("l1", action("Page View", "2024-04-01T10:00:00Z", "Low"), user=ann),
            lead(
                "l2",
                action("Call", "2024-04-02T10:00:00Z"),
                user=bob,
                product_id="def",
                created_at="2024-04-02T09:00:00Z",
            ),
            lead(
                "l3",
                action("Call", "2024-05-02T10:00:00Z", "Medium"),
                user=ann,
                customer_id="beta",
                lead_type="Webinar",
                created_at="2024-05-02T09:00:00Z",
            ),
            without(lead("l4", created_at="2024-05-03T09:00:00Z"), "user"),
        ],
    ).raise_for_status()
    return api


# --- GET /leads


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["l4", "l3", "l2", "l1"]),
        ({"customer_id": "acme"}, ["l4", "l2", "l1"]),
        ({"customer_id": str(customer_id("acme"))}, ["l4", "l2", "l1"]),
        ({"customer_id": str(customer_id("acme")).upper()}, ["l4", "l2", "l1"]),
        ({"customer_id": "nobody"}, []),
        ({"product_id": "def"}, ["l2"]),
        ({"product_id": str(product_id("def"))}, ["l2"]),
        ({"lead_type": "Webinar"}, ["l3"]),
        ({"user": " ANN@people.test"}, ["l3", "l1"]),
        ({"user": "ann@people.test", "customer_id": "beta"}, ["l3"]),
        ({"user": "+155501"}, ["l2"]),
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
        ({"lead_type": "' or 1=1 --"}, []),
    ],
)
def test_filter_of_leads(two_customers: httpx.Client, query: Wire, expected: list[str]) -> None:
    assert ids(two_customers.get("/leads", params=query)) == expected


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

    paged = [each["lead_id"] for each in pages(acme, "/leads", limit=limit)]

    assert paged == ids(acme.get("/leads"))
    assert sorted(paged) == sorted(f"l{number}" for number in range(14))


def test_leads_that_arrive_between_pages_shift_nothing(acme: httpx.Client) -> None:
    post(acme, [lead(f"old{n}", created_at=f"2024-04-{n + 10:02d}T00:00:00Z") for n in range(6)])

    seen = []
    for number, each in enumerate(pages(acme, "/leads", limit=2)):
        seen.append(each["lead_id"])
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
        ({"cursor": to_cursor(("2024-04-01T00:00:00-23:59", "x"))}, "/query/cursor"),
        (
            {"cursor": to_cursor(("2024-04-01T00:00:00-23:59", str(uuid4())))},
            "/query/cursor",
        ),
        ({"cursor": to_cursor(("2024-04-01T00:00:00", str(uuid4())))}, "/query/cursor"),
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
    assert two_customers.get(path, params={"cursor": to_cursor("a\0b")}).status_code == 422


def test_cursor_of_lines_with_a_huge_number_is_refused(two_customers: httpx.Client) -> None:
    place = ("2024-04-01T00:00:00Z", "2024-04-01T00:00:00Z", str(uuid4()), "k", "High", 2**40)

    answer = two_customers.get("/billing/reports/acme/2024-04", params={"cursor": to_cursor(place)})

    assert answer.status_code == 422


# --- GET /leads/{lead_id}


def test_lead_shows_what_became_of_each_action(acme: httpx.Client) -> None:
    post(acme, lead("l1", action(), action(), action(timestamp="2024-05-01T00:00:00Z")))

    shown = acme.get("/leads/l1").json()

    assert [each["outcome"] for each in shown["actions"]] == ["billed", "duplicate", "billed"]
    assert [each["period"] for each in shown["actions"]] == ["2024-04", "2024-04", "2024-05"]
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


# --- GET /billing/reports


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [("beta", "2024-05"), ("acme", "2024-04")]),
        ({"customer_id": "acme"}, [("acme", "2024-04")]),
        ({"customer_id": str(customer_id("beta"))}, [("beta", "2024-05")]),
        ({"period": "2024-05"}, [("beta", "2024-05")]),
        ({"period": "2024-06"}, []),
        ({"status": "draft", "period": "2024-04"}, [("acme", "2024-04")]),
        ({"status": "final"}, []),
        ({"from": "2024-05-01"}, [("beta", "2024-05")]),
        ({"to": "2024-04-01T10:00:00Z"}, []),
        ({"to": "2024-04-01T10:00:01Z"}, [("acme", "2024-04")]),
        ({"period": "2024-04", "from": "2024-05-01"}, []),
    ],
)
def test_filter_of_reports(
    two_customers: httpx.Client, query: Wire, expected: list[tuple[str, str]]
) -> None:
    listed = two_customers.get("/billing/reports", params=query).json()["data"]

    assert [(entry["customer_id"], entry["period"]) for entry in listed] == expected


@pytest.mark.parametrize(
    "query", [{"period": "2024-13"}, {"period": "0000-01"}, {"period": "x"}, {"status": "open"}]
)
def test_refused_filter_of_reports_is_422(two_customers: httpx.Client, query: Wire) -> None:
    assert two_customers.get("/billing/reports", params=query).status_code == 422


def test_range_shows_lines_as_the_whole_month_decided_them(acme: httpx.Client) -> None:
    post(acme, [lead("l1", action(timestamp=f"2024-04-{day:02d}T00:00:00Z")) for day in (1, 9)])

    query = {"from": "2024-04-05", "to": "2024-04-10"}
    (entry,) = acme.get("/billing/reports", params=query).json()["data"]

    assert amounts(entry["totals"]) == ("10.00", "0.00", "10.00", "0.00")


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_pages_of_reports_repeat_and_skip_nothing(api: httpx.Client, limit: int) -> None:
    register(api, customers={"acme": "UTC", "beta": "Asia/Kolkata", "gamma": "UTC"})
    post(
        api,
        [
            lead(f"{who}-{month}", action(timestamp=f"2024-{month}-09T00:00:00Z"), customer_id=who)
            for who in ("acme", "beta", "gamma")
            for month in ("01", "02", "03")
        ],
    )

    paged = [
        (each["period"], each["customer_id"])
        for each in pages(api, "/billing/reports", limit=limit)
    ]

    assert paged == [
        (f"2024-{month}", who) for month in ("03", "02", "01") for who in ("acme", "beta", "gamma")
    ]


def test_totals_of_the_list_are_over_all_pages(two_customers: httpx.Client) -> None:
    first = two_customers.get("/billing/reports", params={"limit": 1}).json()

    assert (len(first["data"]), first["totals"]["actions"]) == (1, 3)


# --- GET /billing/reports/{customer_id}/{period}


def test_breakdowns_of_a_report_name_their_parts(two_customers: httpx.Client) -> None:
    bill = report(two_customers, "acme", "2024-04")

    assert [part["product_id"] for part in bill["by_product"]] == ["def", "abc"]
    assert [part["lead_type"] for part in bill["by_lead_type"]] == ["Website Visit"]
    assert [part["user"] for part in bill["by_user"]] == ["+155501", "ann@people.test"]
    assert [part["lead_id"] for part in bill["by_lead"]] == ["l2", "l1"]
    assert (bill["status"], bill["timezone"]) == ("draft", "America/New_York")


def test_pages_of_lines_repeat_and_skip_nothing(acme: httpx.Client) -> None:
    post(acme, lead("l1", *[action(f"Kind {n % 5}") for n in range(11)]))
    whole = report(acme, "acme", "2024-04")

    lines: list[Wire] = []
    query: Wire = {"limit": 3}
    while query.get("cursor", "") is not None:
        page = acme.get("/billing/reports/acme/2024-04", params=query).json()
        assert page["totals"] == whole["totals"]
        lines += page["lines"]
        query["cursor"] = page["next_cursor"]

    assert lines == whole["lines"]


def test_month_without_actions_is_an_empty_report(acme: httpx.Client) -> None:
    bill = report(acme, "acme", "2024-04")

    assert (amounts(bill["totals"]), bill["lines"]) == (("0.00", "0.00", "0.00", "0.00"), [])
    assert acme.get("/billing/reports/acme/2024-04.html").status_code == 200
    assert acme.get("/billing/reports/acme/2024-04.csv").text.count("\r\n") == 1


@pytest.mark.parametrize("period", ["0001-01", "9999-12", "2024-04"])
@pytest.mark.parametrize("extension", ["json", "csv", "html"])
def test_first_and_last_month_there_is_can_be_asked_for(
    acme: httpx.Client, period: str, extension: str
) -> None:
    answer = acme.get(f"/billing/reports/acme/{period}.{extension}")

    assert answer.status_code == 200


def test_report_of_the_first_month_there_is_can_be_read(api: httpx.Client) -> None:
    register(api, customers={"acme": "Pacific/Honolulu"})
    early = "0001-01-02T00:00:00Z"
    post(api, lead("l1", action(timestamp=early), created_at=early)).raise_for_status()

    for extension in ("json", "csv", "html"):
        assert api.get(f"/billing/reports/acme/0001-01.{extension}").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/billing/reports/nobody/2024-04", 404),
        ("/billing/reports/acme/2024-13", 422),
        ("/billing/reports/acme/april", 422),
        ("/billing/reports/acme/2024-04.xls", 406),
        ("/billing/reports/acme/2024-04.", 406),
        ("/billing/reports/acme/2024-04?limit=0", 422),
        ("/billing/reports/acme/2024-04?limit=10001", 422),
        ("/billing/reports/acme/2024-04?cursor=x", 422),
        ("/nowhere", 404),
        ("/billing", 404),
        ("/leads/none/at/all", 404),
    ],
)
def test_refused_address_is_answered_by_a_problem(
    acme: httpx.Client, path: str, status: int
) -> None:
    assert acme.get(path).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/leads", "GET"),
        ("PUT", "/leads", "GET"),
        ("POST", "/billing/reports", "GET"),
        ("DELETE", "/leads/l1", "GET"),
        ("POST", "/health/live", "GET"),
        ("POST", "/customers", "GET"),
    ],
)
def test_method_that_is_not_for_an_address_is_405(
    acme: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = acme.request(method, path)

    assert answer.status_code == 405
    assert allowed in answer.headers["allow"]


def test_refused_method_is_told_all_that_are_for_the_address(api: httpx.Client) -> None:
    allowed = {
        path: api.request("OPTIONS", path).headers["allow"]
        for path in ("/leads", "/rate-cards", "/customers/acme", "/static/report.css")
    }

    assert allowed == {
        "/leads": "GET, POST",
        "/rate-cards": "GET, POST",
        "/customers/acme": "PUT",
        "/static/report.css": "GET, HEAD",
    }


@pytest.mark.parametrize("is_length_told", [True, False])
def test_body_over_the_limit_is_413(api: httpx.Client, is_length_told: bool) -> None:
    body = b"[" * (MAX_BODY_BYTES + 1)

    answer = api.put("/customers/acme", content=body if is_length_told else iter([body]))

    assert answer.status_code == 413


def test_errors_of_a_body_are_told_up_to_a_hundred(api: httpx.Client) -> None:
    answer = api.put("/customers/acme", json={str(number): 0 for number in range(1_000)})

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 100


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("text/*;q=0.5, application/json;q=0.4", "text/csv; charset=utf-8"),
        ("text/html;q=0, */*", "application/json"),
    ],
)
def test_accept_chooses_the_form(
    two_customers: httpx.Client, accept: str | None, media_type: str
) -> None:
    headers = {"accept": accept} if accept else {}

    answer = two_customers.get("/billing/reports/acme/2024-04", headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)


@pytest.mark.parametrize("accept", ["image/png", "text/html;q=0", "nonsense", "*/*;q=none"])
def test_form_that_is_not_on_offer_is_406(two_customers: httpx.Client, accept: str) -> None:
    answer = two_customers.get("/billing/reports/acme/2024-04", headers={"accept": accept})

    assert answer.status_code == 406


def test_extension_wins_over_accept(two_customers: httpx.Client) -> None:
    answer = two_customers.get("/billing/reports/acme/2024-04.csv", headers={"accept": "text/html"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def test_csv_holds_the_same_lines_as_the_json(two_customers: httpx.Client) -> None:
    lines = report(two_customers, "acme", "2024-04")["lines"]

    rows = rows_of(two_customers.get("/billing/reports/acme/2024-04.csv"))

    for row, line in zip(rows, lines, strict=True):
        for name in ("lead_id", "action_type", "gross", "billed", "outcome", "explanation"):
            assert row[name] == line[name]
        assert row["duplicate_saving"] == line["savings"]["duplicate"]
        assert row["cap_saving"] == line["savings"]["cap"]


def test_html_shows_the_totals_and_every_line(two_customers: httpx.Client) -> None:
    bill = report(two_customers, "acme", "2024-04")

    page = two_customers.get("/billing/reports/acme/2024-04.html").text

    assert bill["totals"]["billed"] in page
    for line in bill["lines"]:
        assert line["explanation"] in unescape(page)


HOSTILE = [
    "=HYPERLINK(1)",
    "+1+1",
    "-1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "<script>alert(1)</script>",
    "'; drop table leads; --",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "\u202eevil",
    "a,b;c|d",
    "%s %(x)s %%",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_every_form(api: httpx.Client, text: str) -> None:
    body = {"name": text, "email": "billing@partner.test"}
    api.put(path_of("customers", text), json=body).raise_for_status()
    api.put(path_of("products", text), json={"name": text, "description": text})
    user = {"external_id": text}
    post(
        api,
        [
            lead(text, action(text), action(text), customer_id=text, product_id=text, user=user),
            lead(f"{text}2", action(text), customer_id=text, product_id=text, user=user),
        ],
    ).raise_for_status()

    address = path_of("billing", "reports", text, "2024-04")
    bill = api.get(address).json()
    rows = rows_of(api.get(f"{address}.csv"))
    page = api.get(f"{address}.html").text
    front = api.get("/").text

    assert [line["action_type"] for line in bill["lines"]] == [text] * 3
    assert {line["lead_id"] for line in bill["lines"]} == {text, f"{text}2"}
    for row in rows:
        assert not any(cell.startswith(FORMULA_STARTS) for cell in row.values())
        assert row["action_type"].removeprefix("'") == text.removeprefix("'")
    for shown in (page, front):
        assert "<script>" not in shown
        assert shown.count("<script") == 1  # the console's own
        assert "<img" not in shown
    assert "drop table" not in text or api.get("/leads").status_code == 200


def test_pages_run_no_script_but_their_own_and_are_not_guessed_at(
    two_customers: httpx.Client,
) -> None:
    for path in ("/", "/billing/reports/acme/2024-04.html"):
        answer = two_customers.get(path)

        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]


# --- health and description


def test_health_says_that_the_process_lives_and_can_work(api: httpx.Client) -> None:
    assert api.get("/health/live").json() == {"status": "live", "version": VERSION}
    assert api.get("/health/ready").json() == {"status": "ready"}


def test_process_lives_but_is_not_ready_behind_another_schema(
    api: httpx.Client, engine: Any
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '0000'")

    answer = api.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:lead-billing:problem:not-ready"
    assert api.get("/health/live").status_code == 200


def test_openapi_describes_every_route(api: httpx.Client) -> None:
    description = api.get("/openapi.json").json()
    described = description["paths"]

    assert description["info"]["version"] == VERSION
    assert {"get", "post"} <= set(described["/leads"])
    assert {
        "/leads/{lead_id}",
        "/leads/quarantined",
        "/billing/reports",
        "/billing/reports/{customer_id}/{period}",
        "/customers/{customer_id}",
        "/health/ready",
    } <= set(described)
