"""Draft reports: an open period, rated once at each request and never stored."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from common import identifiers
from common.database.sql_loader import load_statement
from common.disputes.credits import pending_credits
from common.enums import EngagementLevel, ReportStatus
from common.rating.period_totals import require_prices
from common.rating.rated_lines import LINES_AT_ONCE, LineKey
from common.rating.scope import Scope
from common.reports.breakdowns import breakdowns_of
from common.reports.line_search import ALL_LINES, LineSearch
from common.reports.model import Report, notices_of, under_cap, under_cards
from common.reports.months import Month, cards_of
from common.reports.rows import line_of, read_rows
from common.settings import settings

_STATEMENT = text(load_statement("reports", "draft_report"))


def draft_report(
    session: Session,
    month: Month,
    search: LineSearch = ALL_LINES,
    *,
    after: LineKey | None = None,
    most: int | None = None,
) -> tuple[Report, LineKey | None]:
    """The report of an open month, and where its next page of lines begins.

    With `most`, the report holds at most that many lines, after `after`. Without, its
    lines are a stream that is read once and needs the session until it ends.

    Raises Unpriced when an action has no price on the rate card in force.
    """
    owner, start = month.customer.customer_id, month.period.start
    late = month.late_periods if month.is_first_open else []
    cards = cards_of(session, owner, [start, *late])
    rows = read_rows(
        session.execute(
            _STATEMENT,
            Scope([(owner, period) for period in (start, *late)]).parameters()
            | search.parameters()
            | _after(after)
            | {"period": start}
            | ({} if most is None else {"max_lines": most + 1}),
            execution_options={"stream_results": True, "yield_per": LINES_AT_ONCE},
        )
    )
    require_prices(rows.unpriced)
    totals, without_user, parts = breakdowns_of(rows.leads)
    caps_product = cards[start].caps_product
    report = Report(
        report_id=str(identifiers.report_id(owner, str(month.period))),
        customer_id=month.customer.external_id,
        customer_name=month.customer.name,
        period=month.period,
        timezone=month.customer.timezone,
        issuer=settings().report_issuer,
        status=ReportStatus.DRAFT,
        rate_card=cards[start],
        totals=totals,
        parts=parts,
        lines=under_cap(map(line_of, rows.lines), caps_product),
        matching=rows.matching,
        notices=notices_of(totals, without_user),
        generated_at=datetime.now(UTC),
        prior_period=under_cards(rows.prior_lines, cards),
        prior_cards=cards,
        credits=pending_credits(session, owner) if month.is_first_open else [],
    )
    if most is None:
        return report, None
    page = list(rows.lines)
    lines = under_cap(map(line_of, page[:most]), caps_product)
    return replace(report, lines=list(lines)), _key(page[most - 1]) if len(page) > most else None


def _after(key: LineKey | None) -> dict[str, Any]:
    return {
        "after_timestamp": key and key.timestamp,
        "after_created": key and key.lead_created_at,
        "after_lead": key and str(key.lead_id),
        "after_key": key and key.action_key,
        "after_level": key and key.engagement_level.value,
        "after_occurrence": key and key.occurrence,
    }


def _key(row: Row[Any]) -> LineKey:
    return LineKey(
        row.timestamp,
        row.lead_created_at,
        row.lead_id,
        row.action_key,
        EngagementLevel(row.engagement_level),
        row.occurrence,
    )
