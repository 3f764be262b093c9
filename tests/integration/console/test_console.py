"""The console without a browser: its pages, its refusals, and its error messages."""

import re
from datetime import UTC, date, datetime

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.rating.line import Totals
from common.reports.dashboard import overview, pending_work
from common.reports.listing import EntryFilter, list_entries
from tests.console.filled import PAGES, fill
from tests.support.api import action, lead, post, register, without
from tests.support.console import text_of

FORM = "application/x-www-form-urlencoded"


# --- overview


def test_overview_is_what_the_reports_of_each_month_add_up_to(
    gateway: httpx.Client, engine: Engine
) -> None:
    fill(gateway, leads=200)

    with engine.connect() as connection:
        shown = overview(Session(connection), Period(date(2024, 6, 1)))
        entries = list_entries(Session(connection), EntryFilter())
        april = overview(Session(connection), Period(date(2024, 4, 1)))

    for month, totals in shown.months:
        sums = Totals()
        for entry in entries:
            if entry.period == month.start:
                sums = sums.plus(entry.totals)
        assert totals == sums, month
    assert {entry.status for entry in entries} == {"draft", "final"}
    for found in (shown, april):
        assert found.totals.actions > 0
        for parts in (found.by_customer, found.by_product, found.by_lead_type):
            together = Totals()
            for part in parts:
                together = together.plus(part.totals)
            assert together == found.totals


def test_overview_counts_what_waits(gateway: httpx.Client, engine: Engine) -> None:
    register(gateway)
    post(gateway, lead("lead-1", action()))
    gateway.post("/billing/periods/2024-04/close").raise_for_status()
    post(gateway, [lead("late", action("Share")), lead("stray", customer_id="nobody")])

    with engine.connect() as connection:
        waits = pending_work(Session(connection))

    assert (waits.late_actions, waits.quarantined_leads, waits.parked_customers) == (1, 1, 0)


def test_leads_without_a_user_are_counted_and_listed_alike(console: httpx.Client) -> None:
    register(console, customers={"acme": "America/New_York"})
    times = {"may": "2024-05-01T03:59:59Z", "april": "2024-04-02T10:00:00Z", "none": ""}
    posted = [
        without(lead(f"{name}{n}", *([action("Share", at)] if at else [])), "user")
        for n in range(2)
        for name, at in (times | {"late": "2024-05-01T04:00:00Z"}).items()
    ]
    post(console, [*posted, lead("known", action())]).raise_for_status()

    page = console.get("/?month=2024-04")

    assert "4 leads of April 2024 without a user" in text_of(page)
    [address] = re.findall(r'href="[./]*(console/leads\?without_user[^"]*)"', page.text)
    rows = console.get("/" + address.replace("&amp;", "&")).text
    assert sorted(re.findall(r'class="id"><a [^>]*>([^<]+)</a>', rows)) == [
        *("april0", "april1", "may0", "may1")
    ]


def test_overview_names_the_months_that_are_over_and_not_closed(console: httpx.Client) -> None:
    register(console)
    months = [f"2023-{month:02}" for month in range(7, 13)] + [f"{datetime.now(UTC):%Y-%m}"]
    post(
        console, [lead(f"l{month}", action("Share", f"{month}-01T12:00:00Z")) for month in months]
    ).raise_for_status()
    console.post("/billing/periods/2023-07/close").raise_for_status()

    page = console.get("/")

    assert "1 customer with August 2023 not closed" in text_of(page)
    assert "2 more months not closed November 2023 to December 2023." in text_of(page)
    assert "July 2023 not closed" not in text_of(page)
    assert f"{datetime.now(UTC):%B %Y} not closed" not in text_of(page)  # it is running
    assert './console/close?period=2023-08"' in page.text


def test_overview_shows_the_newest_month_with_actions(console: httpx.Client) -> None:
    register(console)
    post(console, [lead("lead-1", action()), lead("lead-2", action("Share", "2024-03-01T00:00Z"))])

    assert "<h1>April 2024</h1>" in console.get("/").text
    assert "<h1>March 2024</h1>" in console.get("/?month=2024-03").text


def test_running_month_is_not_compared_with_a_whole_one(console: httpx.Client) -> None:
    register(console)
    today = datetime.now(UTC)
    before = Period(today.date().replace(day=1)).before
    times = [f"{before}-02T12:00:00Z", f"{today:%Y-%m-%dT%H:%M:%SZ}"]
    post(console, [lead(time, action("Share", time)) for time in times]).raise_for_status()

    running, over = text_of(console.get("/")), text_of(console.get(f"/?month={before}"))

    assert "Month to date, all customers" in running
    assert f"vs {before.name}" not in running
    assert "Month to date" not in over
    assert "Compared with" in over


# --- links, errors, forms of other sites


def test_every_link_of_a_page_works_behind_a_prefix(console: httpx.Client) -> None:
    fill(console, leads=20)

    for path in (*(page.path for page in PAGES), "/console/nothing/there"):
        links = re.findall(r'(?:href|src|action)="([^"]*)"', console.get(path).text)

        assert len(links) > (5 if "sign-in" in path else 8)  # no menu before signing in
        for link in links:
            assert link.startswith(("./", "../", "#")), link
            target = httpx.URL(f"http://test/prefix{path}").join(link)
            assert target.path.startswith("/prefix/"), link


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/console/nothing", 404, "Nothing is at this address."),
        ("/?month=April", 422, "a period is a month such as 2024-04"),
        ("/?month=0001-01", 200, "Nothing to bill yet"),
        ("/?month=9999-12", 200, "Nothing to bill yet"),
        ("/console/reports?period=2024-13", 422, "a period is a month such as 2024-04"),
        ("/console/reports?cursor=abc", 422, "The cursor is not one of this list's."),
        ("/console/reports?status=lost", 422, "draft"),
        ("/console/statement?customer_id=nobody&period=2024-04", 404, "No customer 'nobody'"),
        ("/billing/reports/nobody/2024-04.html", 404, "No customer 'nobody' is registered."),
    ],
)
def test_browser_gets_bad_input_explained_in_a_page(
    console: httpx.Client, path: str, status: int, words: str
) -> None:
    answer = console.get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert words in text_of(answer).replace("&#39;", "'")


def test_problem_stays_a_document_for_a_client_of_the_api(api: httpx.Client) -> None:
    answer = api.get("/billing/reports/nobody/2024-04.html", headers={"accept": "*/*"})

    assert answer.json()["detail"] == "no customer 'nobody' is registered"


def test_fields_left_empty_do_not_narrow(console: httpx.Client) -> None:
    register(console)
    post(console, lead("lead-1", action()))

    page = console.get("/console/reports?customer_id=&period=&status=")

    assert "April 2024" in page.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://ours.localhost"}, 403),
        ({"origin": "http://elsewhere.test"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 201),
        ({"sec-fetch-site": "none"}, 201),
        ({"origin": "http://ours.localhost"}, 201),
        ({}, 201),
    ],
)
def test_other_sites_cannot_post(api: httpx.Client, headers: dict[str, str], status: int) -> None:
    body = {"name": "Acme", "email": "billing@acme.test"}

    answer = api.put("/customers/acme", json=body, headers={"host": "ours.localhost"} | headers)

    assert answer.status_code == status
    assert len(api.get("/customers").json()["data"]) == (status == 201)


# --- forms


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"id": "acme"}', "application/json", 400),
        (b"id=acme", "text/plain", 400),
        (b"id=\xff%ff", FORM, 400),
        (b"id=" + b"a" * 2_000_000, FORM, 413),
        (b"id=a&" * 30_000, FORM, 400),
        (b"", FORM, 422),
        (b"id=%00", FORM, 422),
        (b"id=acme&name=Acme&email=nobody&timezone=UTC", FORM, 422),
        (b"seen=abc&id=a&name=A&email=a@b.test", FORM, 422),
        (b"seen=abc&id=a&name=A&email=a@b.test&timezone=UTC", FORM, 409),
    ],
)
def test_form_that_cannot_be_read_or_taken_is_explained_in_a_page(
    console: httpx.Client, content: bytes, kind: str, status: int
) -> None:
    answer = console.post("/console/customer", content=content, headers={"content-type": kind})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert console.get("/customers").json()["data"] == []


@pytest.mark.parametrize("version", ["", "x", "9" * 5000, "-1", "1.0"])
def test_version_that_is_none_is_refused(console: httpx.Client, version: str) -> None:
    form = {"step": "save", "name": "A", "valid_from": "2099-01", "expected_version": version}

    answer = console.post("/console/rate-card-editor", data=form)

    assert answer.status_code == 422
    assert "expected version" in text_of(answer)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("15", "15.00"), ("15.5", "15.50"), ("1,500.00", "1500.00"), (" 7 ", "7.00")],
)
def test_amounts_are_taken_as_people_type_them(
    console: httpx.Client, typed: str, meant: str
) -> None:
    form = {
        "step": "save",
        "name": "A",
        "valid_from": "2099-01",
        "expected_version": "1",
        "base-High": typed,
        "base-Medium": "5",
        "base-Low": "2",
        "cap_amount": "100",
        "cap_scope": "user",
    }

    answer = console.post("/console/rate-card-editor", data=form)

    assert answer.status_code == 303
    newest = console.get("/rate-cards", headers={"accept": "*/*"}).json()["data"][0]
    assert newest["rates"][0]["amount"] == meant


# --- lists and names


def test_next_page_of_leads_goes_on_where_the_first_ended(console: httpx.Client) -> None:
    register(console)
    post(console, [lead(f"lead-{number:03}", action()) for number in range(120)])

    seen: list[str] = []
    address: str | None = "/console/leads?customer_id=acme"
    while address is not None:
        shown = console.get(address).text
        seen += re.findall(r'class="id"><a [^>]*>([^<]*)<', shown)
        following = re.search(r'rel="next" href="\.\.([^"]*)"', shown)
        address = following and following[1].replace("&amp;", "&")

    assert len(seen) == 120
    assert set(seen) == {f"lead-{number:03}" for number in range(120)}


@pytest.mark.parametrize("kind", ["users", "leads"])
def test_report_leads_to_pages_of_all_its_users_and_leads(console: httpx.Client, kind: str) -> None:
    register(console)
    leads = [
        lead(f"name{number:03}", action(), user={"external_id": f"name{number:03}"})
        for number in range(120)
    ]
    post(console, leads).raise_for_status()
    report = console.get("/billing/reports/acme/2024-04.html").text
    link = re.search(rf'href="\.\./\.\./\.\.(/console/report-{kind}[^"]*)">All 120 {kind}<', report)
    assert link is not None
    assert "80 others" in report

    seen: list[str] = []
    address: str | None = link[1].replace("&amp;", "&")
    while address is not None:
        shown = console.get(address).text
        seen += re.findall(r'scope="row"><a [^>]*>([^<]*)<', shown)
        following = re.search(r'rel="next" href="\.\.([^"]*)"', shown)
        address = following and following[1].replace("&amp;", "&")
    found = console.get(f"{link[1].replace('&amp;', '&')}&user=name00").text

    assert len(seen) == 120
    assert set(seen) == {f"name{number:03}" for number in range(120)}
    assert found.count('scope="row"') == 10


def test_names_that_hold_html_are_escaped_on_every_page(console: httpx.Client) -> None:
    nasty = '<script>alert("x")</script><img src=x onerror=alert(1)>'
    register(console)
    for kind in ("customers", "products"):
        body = {"name": nasty} | ({"email": "n@b.test"} if kind == "customers" else {})
        console.put(f"/{kind}/nasty", json=body).raise_for_status()
    nasty_lead = lead("nasty", action(nasty), customer_id="nasty", product_id="nasty")
    post(console, [nasty_lead, lead(nasty, customer_id=nasty)])
    console.post("/billing/periods/2024-04/close", json={"actor": nasty}).raise_for_status()
    disputed = {"lead_id": "nasty", "reason": "other", "note": nasty, "actor": nasty}
    console.post("/billing/disputes", json=disputed).raise_for_status()

    for path in (
        *("/", "/console/reports", "/console/leads", "/console/lead?id=nasty", "/console/runs"),
        *("/console/customers", "/console/customer?id=nasty", "/console/products"),
        *("/console/product?id=nasty", "/console/quarantine", "/console/disputes"),
        "/console/report-users?customer_id=nasty&period=2024-04",
        "/console/report-leads?customer_id=nasty&period=2024-04",
        *("/console/rate-cards?customer_id=nasty", "/console/new-dispute?lead_id=nasty"),
        *("/console/rate-card-editor?customer_id=nasty", "/console/close?period=2024-05"),
        *(f"/console/customer?id={nasty}", f"/?month={nasty}", f"/console/leads?user={nasty}"),
    ):
        shown = console.get(path).text

        assert shown.count("<script") == 1, path  # the console's own
        assert "<img" not in shown, path
