"""Final reports, read from what closing stored."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from common import identifiers
from common.database.sql_loader import load_statement
from common.disputes.credits import final_credits
from common.enums import ReportStatus
from common.final_reports.models import BillingReport
from common.rating.rated_lines import LINES_AT_ONCE
from common.rating.totals import Totals
from common.reports.breakdowns import breakdowns_of
from common.reports.line_search import ALL_LINES, LineSearch
from common.reports.model import Report, notices_of, under_cap, under_cards
from common.reports.months import Month, cards_of
from common.reports.rows import line_of, read_rows

_STATEMENT = text(load_statement("reports", "final_report"))
# The planner takes the stored leads of a report for ten, and would compare each line with each.
_WITHOUT_LOOPS = text("select set_config('enable_nestloop', 'off', true)")


def final_report(
    session: Session,
    month: Month,
    search: LineSearch = ALL_LINES,
    *,
    after: int = 0,
    most: int | None = None,
) -> tuple[Report, int | None]:
    """A report as it was closed, and the number of the line its next page comes behind.

    Pages as `draft_report` does. Raises LookupError for a month without a final report of its own.
    """
    stored, card = month.final, month.card
    if stored is None or card is None:
        raise LookupError(f"{month.period} has no final report of its own")
    # Numbers have no gaps.
    last = stored.action_count if most is None else min(after + most, stored.action_count)
    session.execute(_WITHOUT_LOOPS)
    rows = read_rows(
        session.execute(
            _STATEMENT,
            search.parameters()
            | {
                "customer_id": str(stored.customer_id),
                "report_id": str(stored.report_id),
                "own_lines": stored.action_count,
                "after_line": after,
                "last_line": last,
            },
            execution_options={"stream_results": True, "yield_per": LINES_AT_ONCE},
        )
    )
    lines = under_cap(map(line_of, rows.lines), card.caps_product)
    names = stored.product_names
    totals, without_user, parts = breakdowns_of(
        [lead._replace(product_name=names.get(lead.product_id)) for lead in rows.leads]
    )
    prior_cards = {}
    if rows.prior_lines:
        periods = (line.period for line in rows.prior_lines)
        prior_cards = cards_of(session, stored.customer_id, periods)
    report = Report(
        report_id=str(stored.report_id),
        customer_id=month.customer.external_id,
        customer_name=stored.customer_name,
        period=month.period,
        timezone=stored.timezone,
        issuer=stored.issuer,
        status=ReportStatus.FINAL,
        rate_card=card,
        totals=totals,
        parts=parts,
        lines=lines if most is None else list(lines),
        matching=rows.matching,
        notices=notices_of(totals, without_user),
        generated_at=stored.finalized_at,
        finalized_at=stored.finalized_at,
        content_hash=stored.content_hash,
        previous_hash=stored.previous_hash,
        hash_version=stored.hash_version,
        prior_period=under_cards(rows.prior_lines, prior_cards),
        prior_cards=prior_cards,
        credits=final_credits(session, stored.customer_id, stored.report_id)
        if stored.credit_count
        else [],
    )
    return report, last if last < stored.action_count else None


def report_closed_along(session: Session, month: Month, closing: BillingReport) -> Report:
    """The report of a month without actions, which a later month's report closed along.

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
        status=ReportStatus.FINAL,
        rate_card=cards_of(session, customer_id, [start])[start],
        totals=Totals(),
        parts=breakdowns_of([]).parts,
        lines=[],
        matching=Totals(),
        notices=[],
        generated_at=closing.finalized_at,
        finalized_at=closing.finalized_at,
    )
