"""What every action of a lead cost, and on which report; of a person, those of their leads."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.billing_period import Period, first_open_month
from common.database.sql_loader import load_statement
from common.disputes.schemas import dispute_until
from common.enums import ReportStatus
from common.leads.models import Lead
from common.rating.line import Line, line_of
from common.rating.periods import RatingScope
from common.rating.rate_cards import CardInForce, no_rate_card
from common.rating.rated_lines import rated_lines

_PERIODS = text(load_statement("reports", "reports_of_lead"))
_FINAL_LINES = text(load_statement("reports", "final_lines_of_lead"))


class LineOnReport(NamedTuple):
    """A line, the report it stands on, and the card of its own month, which priced it."""

    line: Line
    report_period: date
    status: ReportStatus
    card: CardInForce
    dispute_until: datetime | None  # of a final report


def lead_lines(session: Session, lead: Lead) -> list[LineOnReport]:
    """The line of each action of a lead, in the order in which the actions happened."""
    return lines_of_leads(session, [lead])


def lines_of_leads(session: Session, leads: Sequence[Lead]) -> list[LineOnReport]:
    """The line of each action of some leads of one user, in the order in which they happened."""
    if not leads:
        return []
    customer_id, user_key = leads[0].customer_id, leads[0].user_key
    lead_ids = [lead.lead_id for lead in leads]
    ids = {"customer_id": str(customer_id), "lead_ids": [str(lead_id) for lead_id in lead_ids]}
    periods = session.execute(_PERIODS, ids).all()
    if unpriced := [row.period for row in periods if row.name is None]:
        raise no_rate_card(Period(unpriced[0]))
    cards = {
        row.period: CardInForce(
            row.rate_card_id, row.name, row.version, row.is_default, row.caps_each_product
        )
        for row in periods
    }
    closed_through = periods[0].closed_through if periods else None
    first_open = date.min if closed_through is None else first_open_month(closed_through)
    closed = [row.period for row in periods if row.period < first_open]
    lines: list[tuple[Line, date, ReportStatus, datetime | None]] = []
    if closed:
        for row in session.execute(_FINAL_LINES, ids | {"periods": closed}):
            until = dispute_until(row.finalized_at, row.dispute_window_days)
            lines.append((line_of(row), row.report_period, ReportStatus.FINAL, until))
    # Of a closed month, only the late actions are rated.
    to_rate = [row.period for row in periods if row.period not in closed or row.has_late_actions]
    if to_rate:
        pairs = [(customer_id, period) for period in to_rate]
        scope = RatingScope(pairs, user_keys=[user_key] * len(pairs))
        for line, _ in rated_lines(session, scope, lead_ids=lead_ids):
            lines.append((line, max(line.period, first_open), ReportStatus.DRAFT, None))
    lines.sort(key=lambda entry: entry[0].timestamp)
    return [
        LineOnReport(line, report_period, status, cards[line.period], until)
        for line, report_period, status, until in lines
    ]
