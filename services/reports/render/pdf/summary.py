"""The first part of a statement: who is billed, the amounts, and the breakdowns."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from common.enums import ReportStatus
from common.money import CURRENCY
from common.rating.line import total_of
from common.rating.totals import Totals
from common.reports.model import Group, Report
from services.reports.render.formatting import counted, cut, local, money, report_path, user_name
from services.reports.render.pdf.paper import BAND, DRAFT, FINAL, MARGIN, QUIET, Paper

_MAX_GROUPS = 12


def draw_summary(paper: Paper, report: Report) -> None:
    paper.add_page("portrait")
    _draw_head(paper, report)
    _draw_facts(paper, report)
    _draw_bill(paper, report)
    for notice in report.notices:
        paper.draw_paragraph("Note", notice.detail, shaded=True)
    if report.totals.actions:
        parts = report.parts
        _draw_breakdown(paper, report, "By product", parts.by_product, _product)
        _draw_breakdown(paper, report, "By lead type", parts.by_lead_type, _lead_type)
        _draw_breakdown(paper, report, "By user", parts.by_user, _user)
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
        f"Statement of leads, {report.period.name}", 150, size=20, bold=True
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
    made = local(report.finalized_at or report.generated_at, paper.zone)
    facts = [
        ("Billed by", report.issuer),
        ("Billed to", report.customer_name),
        ("Customer", report.customer_id),
        ("Period", f"{report.period.start.day}\u2013{last.day} {report.period.name}"),
        ("Time zone", f"{zone}; all times on these pages are in it"),
        ("Currency", CURRENCY),
        ("Rate card", f"{report.rate_card.name}, version {report.rate_card.version}"),
        ("Report", report.report_id),
        ("Status", f"{'final since' if paper.is_final else 'draft, made'} {made}"),
        ("Content hash", _content_hash(report)),
    ]
    for name, value in facts:
        rows = paper.letters.wrapped(value, paper.right - MARGIN - 32, size=9)
        paper.make_room(4.6 * len(rows))
        paper.put(MARGIN, 3.6, name, size=9, colour=QUIET)
        for row in rows:
            paper.put(MARGIN + 32, 3.6, row, size=9)
            paper.y += 4.6
    paper.y += 4


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
        rows.append((counted(len(report.credits), "credit"), -report.credit_cents, False))
    paper.make_room(7 * len(rows) + 14)
    top, height = paper.y, 6.4 * len(rows) + 13
    paper.letters.shade(MARGIN, top, paper.right - MARGIN, height, BAND)
    paper.y += 1.5
    for name, cents, is_sum in rows:
        if is_sum:
            paper.draw_rule(MARGIN + 4, paper.right - 4)
        paper.put(MARGIN + 4, 4.6, name, size=9.5, bold=is_sum)
        paper.put_right(paper.right - 4, 4.6, money(cents), size=9.5, bold=is_sum)
        paper.y += 6.4
    paper.draw_rule(MARGIN + 4, paper.right - 4)
    paper.put(MARGIN + 4, 6.6, "Due", size=13, bold=True)
    due = f"{CURRENCY} {money(report.due_cents)}"
    paper.put_right(paper.right - 4, 6.6, due, size=13, bold=True)
    paper.y = top + height + 5


def _draw_breakdown(
    paper: Paper,
    report: Report,
    title: str,
    groups: list[Group],
    name_of: Callable[[dict[str, Any]], str],
) -> None:
    shown, count, others = cut(groups, _MAX_GROUPS)
    rows = [(name_of(group.members), group.totals) for group in shown]
    if count:
        rows.append((f"{count:,} others", others))
    heads = ("Leads", "Actions", "Gross", "Duplicates", "Cap", "Billed")
    edges = [paper.right - offset for offset in (104, 88, 66, 44, 22, 0)]
    paper.make_room(24)
    paper.put(MARGIN, 5, title, size=11, bold=True)
    paper.y += 7

    def draw_heads() -> None:
        for head, edge in zip(heads, edges, strict=True):
            paper.put_right(edge, 3, head, size=7.5, colour=QUIET)
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
        for row, text in enumerate(texts):
            paper.put(MARGIN, 3.6 + 4.4 * row, text, size=8.5, bold=bold)
        for cell, edge in zip(cells, edges, strict=True):
            paper.put_right(edge, 3.6, cell, size=8.5, bold=bold)
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
        "every line and in every total. Users are masked; the code behind each tells them "
        "apart."
    )
    path = report_path(report.customer_id, report.period)
    if not paper.is_final:
        yield "A draft has no content hash. Closing the month makes it final."
    elif report.content_hash is not None:
        yield (
            "The content hash is a SHA-256 over all amounts and lines, and over the hash of "
            f"the statement before this one. {path}/verify computes it anew from the stored "
            "lines and from the raw actions; scripts/verify_report.py does so without the "
            f"service, from the report as JSON ({path}.json). Keep the hash: whoever has it "
            "notices when anything was changed afterwards."
        )


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
    return user_name(members["user"], members["user_key"])
