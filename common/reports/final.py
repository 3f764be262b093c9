"""Final reports, read from what closing stored."""

from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from common import identifiers
from common.database.sql_loader import load_statement
from common.disputes.credits import final_credits
from common.enums import ReportStatus
from common.final_reports.models import BillingReport
from common.invoicing.details import StatementDetails, details_of
from common.rating.line import LineKey, Totals, line_key_of, line_of
from common.rating.rate_cards import CardInForce, rate_cards_in_force
from common.reports.line_search import ALL_LINES, LineSearch
from common.reports.model import Parts, Report
from common.reports.months import Month
from common.reports.rows import read_report

_STATEMENT = text(load_statement("reports", "final_report"))
_LINE_KEY = text(load_statement("reports", "final_line_key"))
# The planner estimates 10 leads per report, so it would pick nested loops.
_WITHOUT_LOOPS = text("select set_config('enable_nestloop', 'off', true)")


def final_report(
    session: Session,
    month: Month,
    search: LineSearch = ALL_LINES,
    *,
    limit: int | None = None,
) -> tuple[Report, LineKey | None]:
    """A report as it was closed, and where its next page of lines begins.

    With `limit`, it holds at most that many lines; the pages behind them are read by `find_lines`.
    Raises LookupError for a month without a final report of its own.
    """
    stored, card = month.final, month.card
    if stored is None or card is None:
        raise LookupError(f"{month.period} has no final report of its own")
    # Numbers have no gaps.
    last = stored.action_count if limit is None else min(limit, stored.action_count)
    next_key = _key_of(session, stored, last) if last < stored.action_count else None
    session.execute(_WITHOUT_LOOPS)
    rows = read_report(
        session,
        _STATEMENT,
        search.parameters()
        | {
            "customer_id": str(stored.customer_id),
            "report_id": str(stored.report_id),
            "own_line_count": stored.action_count,
            "is_filtered": search.is_filtered,
            "last_line": last,
        },
    )
    lines = map(line_of, rows.lines)
    prior_cards: dict[date, CardInForce] = {}
    if rows.prior_lines:
        pairs = {(stored.customer_id, line.period) for line in rows.prior_lines}
        cards = rate_cards_in_force(session, pairs)
        prior_cards = {period: card for (_, period), card in cards.items()}
    report = Report(
        report_id=str(stored.report_id),
        customer_id=month.customer.external_id,
        customer_name=stored.customer_name,
        period=month.period,
        timezone=stored.timezone,
        issuer=stored.issuer,
        details=details_of(stored),
        status=ReportStatus.FINAL,
        rate_card=card,
        totals=rows.totals,
        parts=rows.parts,
        lines=lines if limit is None else list(lines),
        matching=rows.matching,
        leads_without_user=rows.leads_without_user,
        leads_in_doubt=month.leads_in_doubt,
        generated_at=stored.finalized_at,
        finalized_at=stored.finalized_at,
        dispute_until=month.dispute_until,
        content_hash=stored.content_hash,
        previous_hash=stored.previous_hash,
        hash_version=stored.hash_version,
        seal=month.seal,
        prior_period=rows.prior_lines,
        prior_cards=prior_cards,
        credits=final_credits(session, stored.customer_id, stored.report_id)
        if stored.credit_count
        else [],
    )
    return report, next_key


def _key_of(session: Session, stored: BillingReport, line_number: int) -> LineKey:
    line = {
        "customer_id": str(stored.customer_id),
        "report_id": str(stored.report_id),
        "line_number": line_number,
    }
    return line_key_of(session.execute(_LINE_KEY, line).one())


def report_closed_with(session: Session, month: Month, closing: BillingReport) -> Report:
    """The report of a month without actions, which was closed with a later month.

    It stays empty: what arrives for it is billed as a prior period.
    """
    customer_id, start = month.customer.customer_id, month.period.start
    return Report(
        report_id=str(identifiers.report_id(customer_id, str(month.period))),
        customer_id=month.customer.external_id,
        customer_name=closing.customer_name,
        period=month.period,
        timezone=closing.timezone,
        issuer=closing.issuer,
        details=StatementDetails(),
        status=ReportStatus.FINAL,
        rate_card=rate_cards_in_force(session, [(customer_id, start)])[customer_id, start],
        totals=Totals(),
        parts=Parts([], [], [], []),
        lines=[],
        matching=Totals(),
        generated_at=closing.finalized_at,
        finalized_at=closing.finalized_at,
    )
