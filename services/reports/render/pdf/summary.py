"""The first part of a statement: who is billed, the amounts, and the breakdowns."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from common.billing_period import local
from common.enums import ReportStatus
from common.invoicing.details import StatementDetails
from common.money import CURRENCY
from common.rating.line import Totals, total_of
from common.reports.model import Group, Report
from services.reports.render.formatting import counted, cut, money, report_path, user_with_key
from services.reports.render.pdf.paper import BAND, DRAFT, FINAL, MARGIN, QUIET, Paper

_MAX_GROUPS = 12
_MAX_UNIT_PRICES = 40


def draw_summary(paper: Paper, report: Report) -> None:
    paper.add_page("portrait")
    _draw_head(paper, report)
    _draw_facts(paper, report)
    _draw_bill(paper, report)
    _draw_unit_prices(paper, report)
    for notice in report.notices:
        paper.draw_paragraph("Note", notice.detail, shaded=True)
    if report.totals.actions:
        parts = report.parts
        _draw_breakdown(paper, report, "By product", parts.by_product, _product)
        _draw_breakdown(paper, report, "By lead type", parts.by_lead_type, _lead_type)
        _draw_breakdown(paper, report, "By user", parts.by_user, _user, count=parts.user_count)
    paper.draw_paragraph("How to check this statement", " ".join(_how_to_check(paper, report)))


def _draw_head(paper: Paper, report: Report) -> None:
    paper.put(MARGIN, 6, report.issuer, size=10, colour=QUIET)
    word = "FINAL" if paper.is_final else "DRAFT"
    colour = FINAL if paper.is_final else DRAFT
    width = paper.letters.width(word, size=11, bold=True) + 8
    paper.pdf.set_draw_color(*colour)
    paper.pdf.set_line_width(0.5)
    paper.pdf.rect(
        paper.right - width, paper.y + 1, width, 8, round_corners=True, corner_radius=1.5
    )
    paper.put(paper.right - width + 4, 6.6, word, size=11, bold=True, colour=colour)
    paper.y += 10
    for row in paper.letters.wrapped(
        f"{report.details.title} of leads, {report.period.name}", 150, size=20, bold=True
    ):
        paper.put(MARGIN, 7, row, size=20, bold=True)
        paper.y += 9
    if not paper.is_final:
        paper.put(
            MARGIN,
            4,
            "A draft, not a bill: amounts may change until the month is closed.",
            size=9,
            bold=True,
            colour=DRAFT,
        )
        paper.y += 6
    paper.y += 3


def _draw_facts(paper: Paper, report: Report) -> None:
    zone = report.timezone
    last = report.period.end - timedelta(days=1)
    moment = local(report.finalized_at or report.generated_at, paper.zone)
    details = report.details
    facts = [
        *_document_facts(details),
        ("Billed by", _party(report.issuer, details.issuer_address, details.issuer_tax_id)),
        (
            "Billed to",
            _party(report.customer_name, details.customer_address, details.customer_tax_id),
        ),
        ("Customer", report.customer_id),
        ("Period", f"{report.period.start.day}\u2013{last.day} {report.period.name}"),
        ("Time zone", f"{zone}; all times on these pages are in it"),
        ("Currency", CURRENCY),
        ("Rate card", f"{report.rate_card.name}, version {report.rate_card.version}"),
        ("Report", report.report_id),
        ("Status", f"{'final since' if paper.is_final else 'draft, made'} {moment}"),
        ("Content hash", _content_hash(report)),
        *_signature(report),
        ("Disputes", _dispute_window(paper, report)),
    ]
    for name, value in facts:
        rows = [
            row
            for part in value.splitlines()
            for row in paper.letters.wrapped(part, paper.right - MARGIN - 32, size=9)
        ]
        paper.make_room(4.6 * len(rows))
        paper.put(MARGIN, 3.6, name, size=9, colour=QUIET)
        for row in rows:
            paper.put(MARGIN + 32, 3.6, row, size=9)
            paper.y += 4.6
    paper.y += 4


def _document_facts(details: StatementDetails) -> list[tuple[str, str]]:
    if details.number is None:
        return []
    return [
        (f"{details.title} no.", details.number),
        ("Issued", f"{details.issue_date}"),
        ("Payment", f"due by {details.due_date} ({details.terms})"),
    ]


def _party(name: str, address: str | None, tax_id: str | None) -> str:
    rows = [name, address, tax_id and f"Tax id {tax_id}"]
    return "\n".join(row for row in rows if row)


def _draw_unit_prices(paper: Paper, report: Report) -> None:
    """A price a row, at most so many: a card may have a thousand."""
    prices = report.details.unit_prices
    if not prices:
        return
    paper.make_room(12 + 4.6 * min(len(prices), 3))
    paper.put(MARGIN, 5, f"Unit prices, {CURRENCY}", size=11, bold=True)
    paper.y += 7
    for price in prices[:_MAX_UNIT_PRICES]:
        scope = [price.engagement_level, price.lead_type, price.product_id]
        name = ", ".join(part for part in scope if part)
        rows = paper.letters.wrapped(name, paper.right - MARGIN - 40, size=8.5)
        paper.make_room(4.4 * len(rows))
        paper.put_rows(MARGIN, 3.6, rows, 4.4, size=8.5)
        paper.put(paper.right, 3.6, money(price.amount_cents), size=8.5, align="right")
        paper.y += 4.4 * len(rows)
    if len(prices) > _MAX_UNIT_PRICES:
        text = f"{len(prices) - _MAX_UNIT_PRICES:,} more are in the JSON of this report."
        paper.put(MARGIN, 3.6, text, size=8.5, colour=QUIET)
        paper.y += 4.4
    paper.y += 4


def _dispute_window(paper: Paper, report: Report) -> str:
    if not paper.is_final:
        return "any billed line, from the day it arrives"
    if report.dispute_until is None:
        return "no lines"
    return f"any billed line, until {local(report.dispute_until, paper.zone)}"


def _draw_bill(paper: Paper, report: Report) -> None:
    totals, period = report.totals, report.period.name
    prior = total_of(report.prior_period)
    counts = f"{counted(totals.actions, 'action')}, {counted(totals.leads, 'lead')}"
    rows = [
        (f"Gross ({counts})", totals.gross_cents, False),
        ("Duplicate savings", -totals.duplicate_cents, False),
        ("Cap savings", -totals.cap_cents, False),
        (f"Billed for {period}", totals.billed_cents, True),
    ]
    if prior.actions:
        name = f"Prior periods, {counted(prior.actions, 'action')}"
        rows.append((name, prior.billed_cents, False))
    if report.credits:
        rows.append((counted(len(report.credits), "credit"), report.credit_cents, False))
    paper.make_room(7 * len(rows) + 14)
    top, height = paper.y, 6.4 * len(rows) + 13
    paper.letters.shade(MARGIN, top, paper.right - MARGIN, height, BAND)
    paper.y += 1.5
    for name, cents, is_sum in rows:
        if is_sum:
            paper.draw_rule(MARGIN + 4, paper.right - 4)
        paper.put(MARGIN + 4, 4.6, name, size=9.5, bold=is_sum)
        paper.put(paper.right - 4, 4.6, money(cents), size=9.5, bold=is_sum, align="right")
        paper.y += 6.4
    paper.draw_rule(MARGIN + 4, paper.right - 4)
    paper.put(MARGIN + 4, 6.6, "Due", size=13, bold=True)
    due = f"{CURRENCY} {money(report.due_cents)}"
    paper.put(paper.right - 4, 6.6, due, size=13, bold=True, align="right")
    paper.y = top + height + 5


def _draw_breakdown(
    paper: Paper,
    report: Report,
    title: str,
    groups: list[Group],
    name_of: Callable[[dict[str, Any]], str],
    *,
    count: int | None = None,
) -> None:
    first_groups, count, others = cut(groups, _MAX_GROUPS, report.totals, count)
    rows = [(name_of(group.members), group.totals) for group in first_groups]
    if count:
        rows.append((f"{count:,} others", others))
    heads = ("Leads", "Actions", "Gross", "Duplicates", "Cap", "Billed")
    edges = [paper.right - offset for offset in (104, 88, 66, 44, 22, 0)]
    paper.make_room(24)
    paper.put(MARGIN, 5, title, size=11, bold=True)
    paper.y += 7

    def draw_heads() -> None:
        for head, edge in zip(heads, edges, strict=True):
            paper.put(edge, 3, head, size=7.5, colour=QUIET, align="right")
        paper.y += 4
        paper.draw_rule(MARGIN, paper.right)

    def draw_row(name: str, totals: Totals, *, bold: bool = False) -> None:
        texts = paper.letters.wrapped(name, edges[0] - 14 - MARGIN, size=8.5, bold=bold)
        if paper.make_room(4.4 * len(texts) + 1):
            draw_heads()
        cells = (
            f"{totals.leads:,}",
            f"{totals.actions:,}",
            money(totals.gross_cents),
            money(totals.duplicate_cents),
            money(totals.cap_cents),
            money(totals.billed_cents),
        )
        paper.put_rows(MARGIN, 3.6, texts, 4.4, size=8.5, bold=bold)
        for cell, edge, before in zip(cells, edges, [edges[0] - 14, *edges], strict=False):
            within = edge - before - 1.5
            paper.put(edge, 3.6, cell, size=8.5, bold=bold, align="right", within=within)
        paper.y += 4.4 * len(texts) + 0.6

    draw_heads()
    for name, totals in rows:
        draw_row(name, totals)
    paper.draw_rule(MARGIN, paper.right)
    draw_row("Total", report.totals, bold=True)
    paper.y += 4


def _how_to_check(paper: Paper, report: Report) -> Iterator[str]:
    yield (
        "Each action is one line on the following pages. Gross is its list price; what "
        "is not billed is saved, as a duplicate or by the cap: gross = billed + saved, on "
        "every line and in every total. Users are masked; the code after each name tells them "
        "apart."
    )
    path = report_path(report.customer_id, report.period)
    if not paper.is_final:
        yield "A draft has no content hash. Closing the month makes it final."
    elif report.content_hash is not None:
        yield (
            "The content hash is a SHA-256 over all amounts and lines, and over the hash of "
            f"the statement before this one. {path}/verify computes it again from the stored "
            "lines and from the raw actions; scripts/verify_report.py does so without the "
            f"service, from the report as JSON ({path}.json). Keep the hash: whoever has it "
            "notices when anything was changed afterwards."
        )


def _signature(report: Report) -> list[tuple[str, str]]:
    """A signature is 64 bytes, and its header names the key: a fixed font would not fit more."""
    if report.content_hash is None:
        return []
    signature, head = report.seal
    return [("Signature", signature or "not signed"), *([("Signed head", head)] if head else [])]


def _content_hash(report: Report) -> str:
    if report.status is ReportStatus.DRAFT:
        return "none: only a final statement has one"
    return report.content_hash or "none: closed along with a later month"


def _product(members: dict[str, Any]) -> str:
    name, product = members["name"], members["product_id"]
    return product if name in {None, product} else f"{name} ({product})"


def _lead_type(members: dict[str, Any]) -> str:
    return str(members["lead_type"])


def _user(members: dict[str, Any]) -> str:
    return user_with_key(members["user"], members["has_user"], members["user_key"])
