"""The console's search box and the page of a person, without a browser."""

import re

import httpx
import pytest

from tests.support.api import action, lead, post, register
from tests.support.closing import closed
from tests.support.console import BROWSER, text_of

ANN = {"email": "ann.lee@people.test"}


@pytest.fixture
def console(gateway: httpx.Client) -> httpx.Client:
    """A gateway that knows acme and abc, with leads of three people over two months."""
    register(gateway)
    may = action(timestamp="2024-05-02T10:05:00Z")
    leads = [
        lead("web-17", action(), action("Share"), user=ANN),
        lead("web-18", action(), may, user=ANN),
        lead("form-1", action(), user={"phone": "+49 170 1234567"}),
        lead("odd_1%", action(), user={"external_id": "crm-9"}),
    ]
    post(gateway, leads).raise_for_status()
    return gateway


def page_of(console: httpx.Client, path: str, **query: str) -> str:
    return console.get(path, params=query, headers=BROWSER).raise_for_status().text


def found(console: httpx.Client, words: str) -> dict[str, list[str]]:
    """The words of each result, by its group."""
    page = page_of(console, "/console/search", q=words)
    groups = re.findall(r'class="found" aria-label="(\w+)">(.*?)</section>', page, re.DOTALL)
    return {name: re.findall(r"<li><a [^>]*>([^<]*)</a>", each) for name, each in groups}


@pytest.mark.parametrize(
    ("words", "group", "names"),
    [
        ("acme", "Customers", ["The acme"]),
        ("THE AC", "Customers", ["The acme"]),
        ("billing0@partner", "Customers", ["The acme"]),
        ("abc", "Products", ["abc"]),
        ("ann.lee@people.test", "People", ["ann.lee@people.test"]),
        ("ANN.LEE", "People", ["ann.lee@people.test"]),
        ("0049 170 123 45 67", "People", ["+491701234567"]),
        ("170 12345", "People", ["+491701234567"]),
        ("crm-9", "People", ["crm-9"]),
        ("web-17", "Leads", ["web-17"]),
        ("WEB", "Leads", ["web-17", "web-18"]),
        ("1%", "Leads", ["odd_1%"]),
        ("b_1", "Leads", []),
        ("nobody at all", "People", []),
    ],
)
def test_words_find(console: httpx.Client, words: str, group: str, names: list[str]) -> None:
    assert sorted(found(console, words).get(group, [])) == names


def test_statement_number_finds_its_report(console: httpx.Client) -> None:
    closed(console, "2024-04", "acme")

    assert found(console, "2024-04-ACME-1") == {"Reports": ["2024-04-acme-1"]}


def test_person_shows_each_month_with_its_cap_and_its_lines(console: httpx.Client) -> None:
    closed(console, "2024-04", "acme")
    page = page_of(console, "/console/search", q="ann.lee@people.test")
    [user] = re.findall(r"console/person[^\"]*user=([0-9a-f-]{36})", page)

    person = {"customer_id": "acme", "user": user}
    words = text_of(console.get("/console/person", params=person, headers=BROWSER))

    assert "A user of The acme, with 2 leads." in words
    assert words.index("May 2024") < words.index("April 2024")
    assert "Billed 20.00 USD of 30.00. Cap used: 20.00 of 100.00" in words
    assert "Duplicate of Form Submission (High) of lead web-17" in words


def test_person_is_erased_from_their_page(console: httpx.Client) -> None:
    page = page_of(console, "/console/search", q="ann.lee@people.test")
    [user] = re.findall(r"console/person[^\"]*user=([0-9a-f-]{36})", page)
    form = {"customer_id": "acme", "user": user}

    refused = console.post("/console/person", data=form, headers=BROWSER)
    assert refused.status_code == 422
    assert "Confirm that it cannot be undone" in refused.text
    erased = console.post("/console/person", data=form | {"confirmed": "true"}, headers=BROWSER)

    assert erased.status_code == 303
    assert found(console, "ann.lee") == {}
    shown = page_of(console, "/console/person", customer_id="acme", user=user)
    assert "ann.lee" not in shown
    assert "Erase this user" not in shown
