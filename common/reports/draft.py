"""Draft reports: an open period, computed at each request from what stands and what is rated.

Invariant: a request rates once, and no line is stored.
"""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy import text
from sqlalchemy.orm import Session

from common import identifiers
from common.database.sql_loader import load_statement
from common.disputes.credits import (
    Credit,
    credits_of_draft_lines,
    credits_of_final_lines,
    in_order,
)
from common.enums import ReportStatus
from common.invoicing.details import draft_details
from common.rating.line import Line, LineKey, line_key_of, line_of, require_prices
from common.rating.rate_cards import rate_cards_with_prices
from common.rating.rated_lines import rated_lines
from common.reports.draft_page import DraftPage, draft_parameters, find_page
from common.reports.line_search import ALL_LINES, LineSearch
from common.reports.model import Report
from common.reports.months import Month
from common.reports.rows import read_report
from common.settings import settings

_STATEMENT = text(load_statement("reports", "draft_report"))


def draft_report(
    session: Session,
    month: Month,
    search: LineSearch = ALL_LINES,
    *,
    after: LineKey | None = None,
    limit: int | None = None,
    page: DraftPage | None = None,
) -> tuple[Report, LineKey | None]:
    """The report of an open month, and where its next page of lines begins.

    With `limit`, the report holds at most that many lines, after `after`. Without, its
    lines are a stream that is read once and needs the session until it ends. `page` is the page of
    lines where it is found already.

    Raises Unpriced when an action has no price on the rate card in force.
    """
    customer_id, start = month.customer.customer_id, month.period.start
    late_periods = month.late_periods if month.is_first_open else []
    pairs = [(customer_id, period) for period in (start, *late_periods)]
    priced = rate_cards_with_prices(session, customer_id, [start, *late_periods])
    page = page or find_page(session, customer_id, start, search, after=after, limit=limit)
    parameters = draft_parameters(pairs, page, search, after=after, limit=limit)
    rows = read_report(session, _STATEMENT, parameters)
    card, prices = priced[start]
    products = [group.members["product_id"] for group in rows.parts.by_product]
    report = Report(
        report_id=str(identifiers.report_id(customer_id, str(month.period))),
        customer_id=month.customer.external_id,
        customer_name=month.customer.name,
        period=month.period,
        timezone=month.customer.timezone,
        issuer=settings().report_issuer,
        details=draft_details(month.customer, prices, products),
        status=ReportStatus.DRAFT,
        rate_card=card,
        totals=rows.totals,
        parts=rows.parts,
        lines=map(line_of, rows.lines),
        matching=rows.matching,
        leads_without_user=rows.leads_without_user,
        leads_in_doubt=month.leads_in_doubt,
        generated_at=datetime.now(UTC),
        prior_period=rows.prior_lines,
        prior_cards={period: card for period, (card, _) in priced.items()},
        credits=draft_credits(session, month),
    )
    if limit is None:
        return report, None
    lines = list(islice(rows.lines, limit))
    next_page = line_key_of(lines[-1]) if next(rows.lines, None) is not None else None
    return replace(report, lines=list(map(line_of, lines))), next_page


def draft_lines(
    session: Session, month: Month, search: LineSearch, *, after: LineKey | None, limit: int
) -> tuple[list[Line], bool]:
    """At most `limit` lines of an open month behind `after`, and whether more lines follow.

    Rates the page's users alone, up to its last line; what needs more is read from the report.
    Raises Unpriced when a line has no price on the rate card in force.
    """
    customer_id, start = month.customer.customer_id, month.period.start
    page = find_page(session, customer_id, start, search, after=after, limit=limit)
    if page.action_ids is None:
        report, next_key = draft_report(session, month, search, after=after, limit=limit, page=page)
        return list(report.lines), next_key is not None
    shown = page.action_ids[:limit]
    scope = page.scope_of_lines(customer_id, start)
    lines = [line for line, _ in rated_lines(session, scope, action_ids=shown)] if shown else []
    require_prices(sum(line.gross_cents is None for line in lines))
    return lines, len(page.action_ids) > limit


def draft_credits(session: Session, month: Month) -> list[Credit]:
    """The credits on the draft of an open month, in order."""
    customer_id = month.customer.customer_id
    credits: list[Credit] = []
    if month.is_first_open:
        credits += credits_of_final_lines(session, customer_id)
    if month.has_disputed_drafts:
        credits += credits_of_draft_lines(session, customer_id, month.period.start)
    return in_order(credits)
