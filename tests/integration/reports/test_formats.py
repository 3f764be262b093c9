"""A report as JSON, CSV and HTML: which one is sent, and what each shows."""

import csv
import io
from html import unescape

import httpx
import pytest

from tests.support.api import action, lead, path_of, post, report

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


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
    "x;=HYPERLINK(1)",
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
        assert row["action_type"].replace("'", "") == text.replace("'", "")
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
