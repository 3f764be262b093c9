"""The console without a browser: what its pages say, whom they refuse, how errors are told."""

import re
from collections.abc import Iterator
from datetime import date

import httpx
import pytest
from sqlalchemy import Engine

from common.billing import Period, Totals
from common.overview import overview, waiting
from common.reports import EntryFilter, list_entries
from tests.api import action, lead, post, register
from tests.console.filled import fill

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NASTY = '<script>alert("x")</script><img src=x onerror=alert(1)>'


@pytest.fixture
def console(gateway: httpx.Client) -> Iterator[httpx.Client]:
    """A client that asks as a browser does."""
    gateway.headers.update(BROWSER)
    yield gateway
    gateway.headers["accept"] = "*/*"


def text_of(answer: httpx.Response) -> str:
    """What a page shows, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


# --- overview


def test_overview_is_what_the_reports_of_each_month_add_up_to(
    gateway: httpx.Client, engine: Engine
) -> None:
    fill(gateway, leads=200)

    with engine.connect() as connection:
        shown = overview(connection, Period(date(2024, 6, 1)))
        entries = list_entries(connection, EntryFilter())
        april = overview(connection, Period(date(2024, 4, 1)))

    for month, totals in shown.months:
        sums = Totals()
        for entry in entries:
            if entry.period == month.start:
                sums = sums.plus(entry.totals)
        assert totals == sums, month
    assert {each.status for each in entries} == {"draft", "final"}
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
        waits = waiting(connection)

    assert (waits.late_actions, waits.quarantined_leads, waits.parked_customers) == (1, 1, 0)


def test_overview_shows_the_newest_month_with_actions(console: httpx.Client) -> None:
    register(console)
    post(console, [lead("lead-1", action()), lead("lead-2", action("Share", "2024-03-01T00:00Z"))])

    assert "<h1>April 2024</h1>" in console.get("/").text
    assert "<h1>March 2024</h1>" in console.get("/?month=2024-03").text


# --- links, errors, forms of other sites


@pytest.mark.parametrize("path", ["/", "/console/reports", "/console/nothing/there"])
def test_every_link_of_a_page_works_behind_a_prefix(console: httpx.Client, path: str) -> None:
    page = console.get(path).text

    links = re.findall(r'(?:href|src|action)="([^"]*)"', page)
    assert len(links) > 8
    for link in links:
        assert link.startswith(("./", "../", "#")), link
        assert httpx.URL(f"http://test/prefix{path}").join(link).path.startswith("/prefix/"), link


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/console/nothing", 404, "Nothing is at this address."),
        ("/?month=April", 422, "a period is a month such as 2024-04"),
        ("/?month=0001-01", 200, "There is nothing to bill yet"),
        ("/?month=9999-12", 200, "There is nothing to bill yet"),
        ("/console/reports?period=2024-13", 422, "a period is a month such as 2024-04"),
        ("/console/reports?cursor=abc", 422, "The cursor is not one of this list's."),
        ("/console/reports?status=lost", 422, "draft"),
        ("/console/statement?customer_id=nobody&period=2024-04", 404, "No customer 'nobody'"),
        ("/billing/reports/nobody/2024-04.html", 404, "No customer 'nobody' is registered."),
    ],
)
def test_bad_input_is_told_in_a_page_to_a_browser(
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
        ({"sec-fetch-site": "cross-site", "origin": "http://ours.test"}, 403),
        ({"origin": "http://elsewhere.test"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 201),
        ({"sec-fetch-site": "none"}, 201),
        ({"origin": "http://ours.test"}, 201),
        ({"origin": "http://gateway.test", "x-forwarded-host": "gateway.test"}, 201),
        ({"origin": "https://edge.test", "forwarded": "for=1.2.3.4;host=edge.test"}, 201),
        ({}, 201),
    ],
)
def test_other_sites_cannot_post(api: httpx.Client, headers: dict[str, str], status: int) -> None:
    body = {"name": "Acme", "email": "billing@acme.test"}

    answer = api.put("/customers/acme", json=body, headers={"host": "ours.test"} | headers)

    assert answer.status_code == status
    assert len(api.get("/customers").json()["data"]) == (status == 201)
