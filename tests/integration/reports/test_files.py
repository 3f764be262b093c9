"""Reports as files: the PDF statement over HTTP, and whose names leave the house."""

import csv
import io
import re

import httpx
import pytest
from pypdf import PdfReader

from services.reports.render.pdf.statement import render
from tests.support.api import action, lead, path_of, post, register, report
from tests.support.reports import lines_of, report_of

ADDRESS = "/billing/reports/acme/2024-04"


def text_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    reader = PdfReader(io.BytesIO(answer.content))
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


@pytest.fixture
def april(acme: httpx.Client) -> httpx.Client:
    """April with a repeat and with people who give an email and a phone number."""
    post(
        acme,
        [
            lead("l1", action(), action(), user={"email": "john@yahoo.com"}),
            lead("l2", action(), user={"phone": "+1 555 001 23 89"}),
            lead("l3", action("Share"), user={"external_id": "crm-7"}),
        ],
    ).raise_for_status()
    return acme


@pytest.mark.parametrize(
    ("path", "accept"), [(f"{ADDRESS}.pdf", "*/*"), (ADDRESS, "application/pdf")]
)
def test_report_comes_as_pdf_by_extension_and_by_accept(
    april: httpx.Client, path: str, accept: str
) -> None:
    answer = april.get(path, headers={"accept": accept})

    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''acme-2024-04.pdf"
    assert answer.content.startswith(b"%PDF-")
    assert answer.content.rstrip().endswith(b"%%EOF")


def test_pdf_holds_what_the_json_says(april: httpx.Client) -> None:
    april.post("/billing/periods/2024-04/close").raise_for_status()
    bill = report(april, "acme", "2024-04")

    text = text_of(april.get(f"{ADDRESS}.pdf"))

    for said in ("FINAL", bill["report_id"], bill["content_hash"], "Gross (4 actions"):
        assert said in text
    assert f"USD {bill['due']}" in text
    assert bill["totals"]["gross"] in text
    assert "Duplicate" in text
    assert "duplicate of lead l1, 2024-04-01 10:05:00" in text


def test_final_statement_is_the_same_bytes_each_time_and_a_draft_follows(
    april: httpx.Client,
) -> None:
    drafted = text_of(april.get(f"{ADDRESS}.pdf"))
    april.post("/billing/periods/2024-04/close").raise_for_status()
    once = april.get(f"{ADDRESS}.pdf").content
    post(april, lead("late", action("Call"))).raise_for_status()
    again = april.get(f"{ADDRESS}.pdf").content
    next_month = text_of(april.get("/billing/reports/acme/2024-05.pdf"))

    assert "DRAFT" in drafted
    assert once == again
    assert "Prior periods, 1 action 10.00" in next_month
    assert "Prior period, April 2024: Call (High)" in next_month


def test_files_mask_who_could_be_reached_unless_asked(april: httpx.Client) -> None:
    people = ["john@yahoo.com", "+15550012389"]
    hidden = ["j***@yahoo.com", "+1 *** **89", "crm-7"]

    for extension in ("pdf", "csv"):
        address = f"{ADDRESS}.{extension}"
        masked, full = april.get(address), april.get(address, params={"unmasked": "true"})
        if extension == "pdf":
            texts = [text_of(answer) for answer in (masked, full)]
        else:
            texts = [answer.text for answer in (masked, full)]
        for name in hidden:
            assert name in texts[0]
        for name in people:
            assert name not in texts[0]
            assert name in texts[1]
    assert {line["user"] for line in report(april, "acme", "2024-04")["lines"]} == {
        *people,
        "crm-7",
    }


def test_masked_people_are_told_apart_by_their_key(acme: httpx.Client) -> None:
    post(acme, [lead(n, action(), user={"email": f"j{n}@yahoo.com"}) for n in ("1", "2")])

    text = acme.get(f"{ADDRESS}.csv").content.decode("utf-8-sig")

    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["user"] for row in rows} == {"j***@yahoo.com"}
    assert len({row["user_key"] for row in rows}) == 2


def test_statement_is_made_behind_news_of_how_far_it_is(april: httpx.Client) -> None:
    april.post("/billing/periods/2024-04/close").raise_for_status()
    query = {"customer_id": "acme", "period": "2024-04"}

    page = april.get("/console/statement", params=query)
    made = april.get("/console/statement/progress", params=query)

    assert "Statement of April 2024" in page.text
    assert 'href="../billing/reports/acme/2024-04.pdf"' in page.text
    news, _, pdf = made.content.partition(b"\n\n")
    assert news == b"0 of 4\n4 of 4"
    assert pdf == april.get(f"{ADDRESS}.pdf").content


@pytest.mark.parametrize("path", ["/console/statement", "/console/statement/progress"])
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"customer_id": "nobody", "period": "2024-04"}, 404),
        ({"customer_id": "acme", "period": "2024-13"}, 422),
        ({"customer_id": "acme"}, 422),
    ],
)
def test_statement_of_nobody_is_refused(
    acme: httpx.Client, path: str, query: dict[str, str], status: int
) -> None:
    headers = {"accept": "application/problem+json"}

    assert acme.get(path, params=query, headers=headers).status_code == status


@pytest.mark.parametrize("odd", ["a/b", "é/💡", "a?b=c#d", "日本", '"><img src=x>'])
def test_statement_of_a_customer_with_an_odd_id_is_made(api: httpx.Client, odd: str) -> None:
    register(api, customers={odd: "Asia/Kolkata"})
    post(api, lead(odd, action(), customer_id=odd)).raise_for_status()

    text = text_of(api.get(path_of("billing", "reports", odd, "2024-04.pdf")))
    page = api.get("/console/statement", params={"customer_id": odd, "period": "2024-04"})

    assert "Asia/Kolkata" in text
    assert page.status_code == 200
    assert "<img" not in page.text


def test_ten_thousand_lines_stand_once_each_on_numbered_pages_with_heads() -> None:
    made = b"".join(render(report_of(lines_of(10_000))))
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(made)).pages]

    found = re.findall(r"lead-\d{5}", "\n".join(pages))
    assert found == [f"lead-{n:05d}" for n in range(10_000)]
    for number, page in enumerate(pages, start=1):
        assert f"Page {number:,} of {len(pages):,}" in page
    for page in pages[2:]:
        assert "times in Europe/Berlin" in page
        assert "Billed" in page
    assert "Total of 10,000 lines" in " ".join(pages[-1].split())
    assert "100,000.00" in pages[-1]
