"""What every action of one lead cost, and on which report."""

from datetime import date
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.database.sql_loader import load_statement
from common.enums import ReportStatus
from common.leads.models import Lead
from common.problems import Unpriced
from common.rating.line import Line
from common.rating.rated_lines import lines
from common.rating.scope import Scope
from common.reports.model import CardName

_PERIODS = text(load_statement("reports", "lead_periods"))
_FINAL_LINES = text(load_statement("reports", "final_lines_of_lead"))


class LineOnReport(NamedTuple):
    """A line, the report it stands on, and the card of its own month, which priced it."""

    line: Line
    report_period: date
    status: ReportStatus
    card: CardName


def lead_lines(session: Session, lead: Lead) -> list[LineOnReport]:
    """The line of each action of a lead, in the order in which the actions happened."""
    ids = {"customer_id": str(lead.customer_id), "lead_id": str(lead.lead_id)}
    periods = session.execute(_PERIODS, ids).all()
    if unpriced := [row.period for row in periods if row.name is None]:
        raise Unpriced(f"no rate card is in force in {Period(unpriced[0])}")
    cards = {row.period: CardName(row.name, row.version, row.caps_product) for row in periods}
    through = periods[0].closed_through if periods else None
    closed = [row.period for row in periods if through is not None and row.period <= through]
    found: list[tuple[Line, date, ReportStatus]] = []
    if closed:
        for *members, report_period in session.execute(_FINAL_LINES, ids | {"periods": closed}):
            found.append((Line(*members), report_period, ReportStatus.FINAL))
    # Of a closed month, only the late actions are rated.
    open_periods = [row.period for row in periods if row.period not in closed]
    late_periods = [row.period for row in periods if row.period in closed and row.has_late_actions]
    if open_periods or late_periods:
        pairs = [(lead.customer_id, period) for period in (*late_periods, *open_periods)]
        scope = Scope(pairs, user_key=lead.user_key)
        first_open = date.min if through is None else Period(through).end
        for line, _ in lines(session, scope, lead_id=lead.lead_id):
            found.append((line, max(line.period, first_open), ReportStatus.DRAFT))
    return [
        LineOnReport(
            line._replace(caps_product=cards[line.period].caps_product),
            report_period,
            status,
            cards[line.period],
        )
        for line, report_period, status in sorted(found, key=lambda each: each[0].timestamp)
    ]
