"""The page of a report: every line once over its pages, found, sorted, explained and verified."""

import re
from html import unescape
from typing import Any

import httpx
import pytest

from tests.support.api import Wire, action, lead, path_of, post, register, report
from tests.support.states import InState
from tests.support.tampering import tamper

ADDRESS = "/billing/reports/acme/2024-04"
ANN, BOB = {"email": "ann@people.test"}, {"phone": "+1 555 001 23 89"}


def shown(client: httpx.Client, **query: Any) -> str:
    answer = client.get(f"{ADDRESS}.html", params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


def lines_of(page: str) -> list[str]:
    """The ids of the actions whose lines a page shows, in its order."""
    return re.findall(r'id="line-([^"]+)"', page)


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def fill(gateway: httpx.Client) -> None:
    """Leads of two products, types and people; a repeat, and somebody who reaches the cap."""
    register(gateway, customers={"acme": "Europe/Berlin"}, products="abc def")
    many = [action(f"Kind {n}", f"2024-04-03T10:{n:02d}:00Z") for n in range(12)]
    post(
        gateway,
        [
            lead("Form-1", action(), action("Share", engagement_level="Medium"), user=ANN),
            lead("Form-2", action(timestamp="2024-04-02T10:00:00Z"), user=ANN),
            lead("Many", *many, user=BOB, product_id="def", lead_type="Webinar"),
        ],
    ).raise_for_status()


@pytest.fixture
def april(gateway: httpx.Client, in_state: InState) -> httpx.Client:
    """April as `fill` has it."""
    in_state("draft of a report's page", lambda: fill(gateway))
    return gateway


@pytest.fixture(params=["draft", "final"])
def billed(
    gateway: httpx.Client, request: pytest.FixtureRequest, in_state: InState
) -> httpx.Client:
    """The same, open or closed."""

    def make() -> None:
        fill(gateway)
        if request.param == "final":
            gateway.post("/billing/periods/2024-04/close").raise_for_status()

    in_state(f"{request.param} of a report's page", make)
    return gateway


def fits(line: Wire, query: Wire) -> bool:
    by_name = {"product": "product_id", "lead_type": "lead_type", "outcome": "outcome"}
    by_name |= {"level": "engagement_level"}
    return all(
        value.lower() in (line["lead_id" if name == "lead" else "user"] or "").lower()
        if name in {"lead", "user"}
        else line[by_name[name]] == value
        for name, value in query.items()
    )


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 15),
        ({"product": "def"}, 12),
        ({"lead_type": "Website Visit"}, 3),
        ({"user": "ANN@"}, 3),
        ({"user": "0123"}, 12),
        ({"lead": "form-"}, 3),
        ({"lead": "%"}, 0),
        ({"level": "Medium"}, 1),
        ({"outcome": "billed"}, 12),
        ({"outcome": "duplicate"}, 1),
        ({"outcome": "capped"}, 2),
        ({"outcome": "partially_capped"}, 0),
        ({"product": "def", "outcome": "billed"}, 10),
        ({"product": "none"}, 0),
        ({"user": "' or 1=1 --"}, 0),
    ],
)
def test_filter_shows_the_lines_that_fit_as_the_month_rated_them(
    billed: httpx.Client, query: Wire, count: int
) -> None:
    bill = report(billed, "acme", "2024-04")
    expected = [line for line in bill["lines"] if fits(line, query)]

    page = shown(billed, **query)

    assert lines_of(page) == [line["action_id"] for line in expected]
    assert len(expected) == count
    for line in expected:
        assert line["explanation"] in unescape(page)
    if not count:
        assert "No matching lines." in page


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    ("sort", "member"),
    [
        ("time", "timestamp"),
        ("lead", "lead_id"),
        ("product", "product_id"),
        ("lead_type", "lead_type"),
        ("user", "user"),
        ("action", "action_type"),
        ("gross", "gross"),
        ("saved", "savings"),
        ("billed", "billed"),
    ],
)
def test_column_sorts_and_says_so(billed: httpx.Client, sort: str, member: str, order: str) -> None:
    lines = {line["action_id"]: line for line in report(billed, "acme", "2024-04")["lines"]}

    page = shown(billed, sort=sort, order=order)

    column = [lines[number][member] for number in lines_of(page)]
    if sort == "saved":
        column = [savings["total"] for savings in column]
    values = [float(value) for value in column] if sort in {"gross", "saved", "billed"} else column
    assert values == sorted(values, reverse=order == "desc")
    assert len(values) == 15
    direction = "ascending" if order == "asc" else "descending"
    assert page.count(f'aria-sort="{direction}"') == 1


def test_pages_repeat_and_skip_nothing(acme: httpx.Client) -> None:
    post(acme, lead("l1", *[action(f"Kind {n}") for n in range(230)])).raise_for_status()

    pages = [shown(acme, page=number, sort="action") for number in (1, 2, 3)]

    ids = [line_id for page in pages for line_id in lines_of(page)]
    assert [len(lines_of(page)) for page in pages] == [100, 100, 30]
    assert len(set(ids)) == 230
    assert "Lines 101 to 200 of 230: gross 2,300.00" in words_of(pages[1])
    assert "Page 3 of 3" in words_of(pages[2])
    for page, links in zip(pages, (["2"], ["1", "3"], ["2"]), strict=True):
        assert all(f"page={link}&amp;sort=action" in page for link in links)


def test_totals_of_what_fits_are_shown(billed: httpx.Client) -> None:
    words = words_of(shown(billed, product="def"))

    assert "Lines 1 to 12 of 12 that match: gross 120.00, saved 20.00, billed 100.00." in words


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("page=2", 404, "There is no page 2 of these lines."),
        ("page=0", 422, "page :"),
        ("page=x", 422, "page :"),
        ("page=99999999999999999999", 422, "page :"),
        ("sort=colour", 422, "sort :"),
        ("outcome=lost", 422, "outcome :"),
        ("level=Huge", 422, "level :"),
        ("colour=red", 422, "colour :"),
        ("cursor=abc", 422, "cursor :"),
        ("user=%00", 422, "user :"),
        (f"lead={'x' * 2000}", 422, "lead :"),
        ("verify=true", 404, "only a final report that was stored can be verified"),
    ],
)
def test_query_of_another_page_is_explained_in_a_page(
    april: httpx.Client, query: str, status: int, words: str
) -> None:
    answer = april.get(f"{ADDRESS}.html?{query}", headers={"accept": "text/html"})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert words.lower() in words_of(answer.text).lower()


def test_fields_left_empty_do_not_narrow(april: httpx.Client) -> None:
    page = april.get(f"{ADDRESS}.html?product=&lead_type=&user=&lead=&level=&outcome=").text

    assert len(lines_of(page)) == 15


def test_line_is_explained_by_its_price_its_cap_and_what_it_repeats(billed: httpx.Client) -> None:
    bill = report(billed, "acme", "2024-04")
    first, repeat = (line for line in bill["lines"] if line["action_type"] == "Form Submission")

    page = shown(billed, outcome="duplicate")

    link = f'href="./2024-04.html?lead=Form-1#line-{first["action_id"]}"'
    assert repeat["duplicate_of"]["action_id"] == first["action_id"]
    assert link in page
    words = words_of(page)
    assert "Price 10.00" in words
    assert "Cap 15.00 used before, 15.00 after, of 100.00" in words
    assert f'id="line-{first["action_id"]}"' in shown(billed, lead="Form-1")


def test_breakdowns_add_up_and_lead_to_their_lines(billed: httpx.Client) -> None:
    page = shown(billed)

    for title in ("By product", "By lead type", "By user"):
        part = page.partition(f"<h2>{title}</h2>")[2].partition("</table>")[0]
        cells = [
            [float(cell.replace(",", "")) for cell in re.findall(r"number[^>]*>([\d.,]+)<", row)]
            for row in part.split("<tr>")[2:]
        ]
        *rows, total = cells
        assert [sum(column) for column in zip(*rows, strict=True)] == total
    assert "./2024-04.html?product=def#lines" in page


def test_draft_and_final_are_in_plain_sight(april: httpx.Client) -> None:
    drafted = words_of(shown(april))
    april.post("/billing/periods/2024-04/close").raise_for_status()
    final = words_of(shown(april))

    assert "A draft, not a bill." in drafted
    assert "Final since" not in drafted
    assert "Final since" in final
    assert "A draft" not in final
    assert report(april, "acme", "2024-04")["content_hash"] in final


def test_final_report_is_verified_on_demand(april: httpx.Client) -> None:
    april.post("/billing/periods/2024-04/close").raise_for_status()
    assert "Verify it now" in shown(april)
    assert "Verified." in shown(april, verify="true")

    tamper(
        "billing_report_lines",
        "update billing_report_lines set action_type = 'Tampered' where line_number = 2",
    )
    page = words_of(shown(april, verify="true"))

    assert "Not verified." in page
    assert "Line 2, lead Form-1" in page


def test_prior_period_lines_are_marked_and_due(april: httpx.Client) -> None:
    april.post("/billing/periods/2024-04/close").raise_for_status()
    post(april, lead("late", action("Call", "2024-04-20T10:00:00Z"), user=ANN)).raise_for_status()

    page = april.get("/billing/reports/acme/2024-05.html").text

    words = words_of(page)
    assert "April 2024 Call (High)" in words
    assert "Prior periods 10.00" in words
    assert "Due 10.00" in words


def test_month_closed_along_with_a_later_one_has_a_page(april: httpx.Client) -> None:
    april.post("/billing/periods/2024-04/close").raise_for_status()

    page = april.get("/billing/reports/acme/2024-03.html")

    assert page.status_code == 200
    assert "there is nothing to hash" in words_of(page.text)


@pytest.mark.parametrize("name", ['"><img src=x onerror=alert(1)>', "<script>alert(1)</script>"])
def test_hostile_names_and_filters_stay_text(gateway: httpx.Client, name: str) -> None:
    register(gateway, customers={name: "UTC"}, products="abc")
    gateway.put(path_of("products", name), json={"name": name}).raise_for_status()
    post(
        gateway,
        lead(name, action(name), action(name), customer_id=name, product_id=name),
    ).raise_for_status()
    address = path_of("billing", "reports", name, "2024-04.html")

    for query in ({}, {"product": name}, {"lead": name}, {"user": name}, {"outcome": name}):
        page = gateway.get(address, params=query, headers={"accept": "text/html"}).text
        assert "<img" not in page
        assert "<script>" not in page


def test_long_report_leads_to_the_page_that_makes_its_statement(
    april: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 'href="./2024-04.pdf"' in shown(april)
    monkeypatch.setattr("services.reports.render.as_html.LINES_WITHOUT_PROGRESS", 14)

    page = shown(april)

    assert 'href="../../../console/statement?customer_id=acme&amp;period=2024-04"' in page
