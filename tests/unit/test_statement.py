"""The PDF statement: what it says, in which scripts, on which pages, always in the same bytes."""

import io
from collections.abc import Iterable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from pypdf import PdfReader

from common.billing_period import local
from common.disputes.credits import Credit
from common.enums import DisputeReason, ReportStatus
from common.rating.line import Line, Totals, total_of
from common.reports.model import Group, Report
from services.reports.render.formatting import cut
from services.reports.render.pdf.statement import render, render_with_progress
from tests.support.reports import CLOSED, HASH, line, lines_of, report_of


def draft(lines: list[Line]) -> Report:
    return report_of(lines, status=ReportStatus.DRAFT, finalized_at=None, content_hash=None)


def pages_of(report: Report) -> list[str]:
    reader = PdfReader(io.BytesIO(b"".join(render(report))))
    return [page.extract_text() for page in reader.pages]


def text_of(pages: Iterable[str]) -> str:
    return " ".join(" ".join(pages).split())


def test_summary_says_who_bills_whom_for_what_and_how_much() -> None:
    lines = [
        *lines_of(130),
        line(lead_id="x", billed_cents=0, cap_cents=1000, cap_used_before_cents=10_000),
    ]

    first = text_of(pages_of(report_of(lines))[:1])

    for said in (
        "Statement of leads, April 2024",
        "Lead Billing Engine",
        "Acme Corporation",
        "acme",
        "1\u201330 April 2024",
        "Europe/Berlin",
        "Default, version 3",
        "5f0c4f6e-6d3e-5b8e-9a53-0f6f2b0d1c11",
        HASH,
        "FINAL",
        "final since 2024-05-01 02:10:00",
        "Gross (131 actions, 131 leads)",
        "1,310.00",
        "\u221210.00",
        "1,300.00",
        "USD 1,300.00",
        "Product ABC (abc)",
        "Webinar",
        "a***@people.test",
        "/billing/reports/acme/2024-04/verify",
    ):
        assert said in first, said


def test_draft_says_so_on_every_page_and_final_on_none() -> None:
    drafted = pages_of(draft(lines_of(100)))
    final = pages_of(report_of(lines_of(100)))

    assert len(drafted) == len(final) >= 4
    for page in drafted:
        assert "DRAFT" in page
        assert "Draft, not a bill" in page
        assert "Final statement" not in page
    for page in final:
        assert "DRAFT" not in page
        assert "Final statement" in page


def test_times_are_in_the_customers_zone() -> None:
    pages = pages_of(report_of([line(timestamp=datetime(2024, 4, 30, 21, 59, 59, tzinfo=UTC))]))

    assert "2024-04-30 23:59:59" in text_of(pages)


def test_hour_that_clocks_go_through_twice_is_told_by_its_offset() -> None:
    zone = ZoneInfo("Europe/Berlin")

    assert local(datetime(2024, 10, 27, 0, 30, tzinfo=UTC), zone) == "2024-10-27 02:30:00+02:00"
    assert local(datetime(2024, 10, 27, 1, 30, tzinfo=UTC), zone) == "2024-10-27 02:30:00+01:00"
    assert local(datetime(2024, 10, 27, 2, 30, tzinfo=UTC), zone) == "2024-10-27 03:30:00"


def test_line_says_why_it_is_not_charged() -> None:
    repeat = line(
        billed_cents=0,
        duplicate_cents=1000,
        duplicate_of_lead_id="lead-before",
        duplicate_of_action_id="a1",
        duplicate_of_timestamp=datetime(2024, 4, 1, 12, tzinfo=UTC),
    )
    split = line(billed_cents=600, cap_cents=400, cap_used_before_cents=9400)

    text = text_of(pages_of(report_of([repeat, split])))

    assert "Call (High): duplicate of lead lead-before, 2024-04-01 14:00:00" in text
    assert "Call (High): 94.00 of the cap of 100.00 were already used" in text


def test_prior_period_lines_are_marked_with_their_month_and_are_due() -> None:
    early = datetime(2024, 3, 9, tzinfo=UTC)
    late = line(lead_id="late", period=early.date().replace(day=1), timestamp=early)

    text = text_of(pages_of(report_of(lines_of(2), prior_period=[late])))

    assert "Prior periods, 1 action 10.00" in text
    assert "USD 30.00" in text
    assert "3 2024-03-09 01:00:00 late" in text
    assert "Prior period, March 2024: Call (High)" in text


def test_credits_are_listed_and_taken_off_what_is_due() -> None:
    credit = Credit(
        dispute_id="d1",
        reason=DisputeReason.SPAM,
        accepted_at=datetime(2024, 4, 30, 22, 30, tzinfo=UTC),
        report_id="r",
        report_period=date(2024, 3, 1),
        line_number=7,
        lead_id="lead-spam",
        action_id="a",
        action_type="Call",
        engagement_level="High",
        amount_cents=-250,
    )

    text = text_of(pages_of(report_of(lines_of(2), credits=[credit])))

    assert "1 credit \u22122.50" in text
    assert "USD 17.50" in text
    assert "March 2024, line 7" in text
    assert credit.explanation("Europe/Berlin") in text
    assert "was accepted on 2024-05-01." in text  # the day in the customer's zone
    assert "Total of 1 credit \u22122.50" in text


def test_credit_of_a_drafts_own_line_has_no_number_yet() -> None:
    credit = Credit(
        dispute_id="d1",
        reason=DisputeReason.SPAM,
        accepted_at=datetime(2024, 4, 30, 22, 30, tzinfo=UTC),
        report_id="r",
        report_period=date(2024, 4, 1),
        line_number=None,
        lead_id="lead-spam",
        action_id="a",
        action_type="Call",
        engagement_level="High",
        amount_cents=-250,
    )

    text = text_of(pages_of(report_of(lines_of(2), credits=[credit])))

    assert "of lead lead-spam, the draft of April 2024, is credited" in text
    assert "line None" not in text


def test_final_statement_says_until_when_its_lines_can_be_disputed() -> None:
    draft = text_of(pages_of(report_of(lines_of(1), status=ReportStatus.DRAFT)))
    until = datetime(2024, 7, 5, 10, 0, tzinfo=UTC)
    final = text_of(
        pages_of(
            report_of(
                lines_of(1), status=ReportStatus.FINAL, finalized_at=CLOSED, dispute_until=until
            )
        )
    )

    assert "any billed line, from the day it arrives" in draft
    assert "any billed line, until 2024-07-05" in final


def test_month_without_actions_says_so() -> None:
    text = text_of(pages_of(report_of([])))

    assert "No lead of this customer had an action in April 2024." in text
    assert "USD 0.00" in text
    assert "Page 1 of 1" in text


def test_final_report_without_a_hash_says_why() -> None:
    text = text_of(pages_of(report_of([], content_hash=None)))

    assert "closed along with a later month" in text
    assert "/verify" not in text


def test_warnings_stand_in_the_summary() -> None:
    totals = Totals(leads=4)

    text = text_of(pages_of(report_of(lines_of(1), totals=totals, leads_without_user=3))[:1])

    assert "3 of 4 leads have no user." in text


def test_long_breakdown_is_cut_and_still_adds_up() -> None:
    totals = total_of(lines_of(1))
    groups = [Group({"lead_type": f"Type {n:02d}"}, totals) for n in range(30)]
    parts = report_of([]).parts._replace(by_lead_type=groups)

    text = text_of(pages_of(report_of(lines_of(30), parts=parts)))

    assert "Type 11" in text
    assert "Type 12" not in text
    assert "18 others 18 18 180.00" in text


def test_breakdown_of_the_largest_alone_counts_the_others_too() -> None:
    whole = total_of(lines_of(500))
    groups = [Group({"user": f"User {n:02d}"}, total_of(lines_of(2))) for n in range(100)]

    shown, count, others = cut(groups, 12, whole, 300)

    assert shown == groups[:12]
    assert count == 288
    assert (others.actions, others.billed_cents) == (500 - 24, whole.billed_cents - 24_000)


SCRIPTS = [
    "Ελληνικά",
    "Кириллица",
    "Tiếng Việt",
    "日本株式会社",
    "中文公司",
    "한국어",
    "ไทย",
    "Հայերեն",
    "ქართული",
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_name_in_any_of_these_scripts_is_drawn(name: str) -> None:
    pages = pages_of(report_of([line(lead_id=name)], customer_name=name))

    assert name in pages[0]
    assert name in pages[-1]
    assert "U+" not in text_of(pages)


@pytest.mark.parametrize("name", ["شركة", "חברה", "हिन्दी"])
def test_name_in_a_script_that_is_shaped_is_drawn(name: str) -> None:
    text = text_of(pages_of(report_of([line(lead_id=name)], customer_name=name)))

    assert set(name) <= set(text)
    assert "U+" not in text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("💡 idea", "[U+1F4A1] idea"),
        ("a\tb\nc", "a[U+0009]b[U+000A]c"),
        ("\u202eevil", "[U+202E]evil"),
        ("\ue000", "[U+E000]"),
    ],
)
def test_character_that_cannot_be_drawn_is_shown_by_its_number_and_that_is_said(
    name: str, shown: str
) -> None:
    text = text_of(pages_of(report_of([line(lead_id=name)], customer_name=name)))

    assert text.count(shown) >= 2
    assert "shown by its Unicode number" in text


@pytest.mark.parametrize(
    "name",
    [
        "<b>bold</b><script>alert(1)</script>",
        "**bold** __u__ --s-- {nb}",
        "(a) \\(b\\) ET Q endstream",
        "%s %(x)s {0}",
        "x" * 128,
    ],
)
def test_name_is_text_and_never_an_instruction(name: str) -> None:
    made = b"".join(render(report_of([line(lead_id=name)], customer_name=name)))

    reader = PdfReader(io.BytesIO(made))
    text = "".join("".join(page.extract_text() for page in reader.pages).split())
    assert text.count("".join(name.split())) >= 2
    assert all("/Annots" not in page for page in reader.pages)
    for active in (b"/JavaScript", b"/URI", b"/Launch", b"/OpenAction /"):
        assert active not in made


def test_same_report_gives_the_same_bytes() -> None:
    once = b"".join(render(report_of(lines_of(200))))
    again = b"".join(render(report_of(lines_of(200))))

    assert once == again


def test_progress_tells_how_many_lines_are_drawn_before_the_same_pdf() -> None:
    made = b"".join(render_with_progress(report_of(lines_of(1200))))

    news, _, pdf = made.partition(b"\n\n")
    assert news.decode().splitlines() == [f"{n} of 1200" for n in (0, 500, 1000, 1200)]
    assert pdf == b"".join(render(report_of(lines_of(1200))))
