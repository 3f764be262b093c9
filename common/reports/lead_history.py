"""What every action of one lead cost, and on which report."""

from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from common.billing_period import Period
from common.catalog.models import Customer
from common.enums import ReportStatus
from common.final_reports.late_actions import late_periods
from common.final_reports.store import (
    closed_through,
    final_lines_of_lead,
    periods_of,
)
from common.rating.active_periods import lead_periods
from common.rating.line import Line
from common.rating.rated_lines import lines
from common.rating.scope import Scope
from common.reports.cards import cards_of
from common.reports.model import CardName


class LineOnReport(NamedTuple):
    """A line, the report it stands on, and the card of its own month, which priced it."""

    line: Line
    report_period: date
    status: ReportStatus
    card: CardName


def lead_lines(
    connection: Connection, customer: Customer, user_key: UUID, lead_id: UUID
) -> list[LineOnReport]:
    """What was decided about each action of a lead, in the order they happened."""
    periods = lead_periods(connection, customer.customer_id, lead_id)
    final_lines = list(final_lines_of_lead(connection, customer.customer_id, lead_id, periods))
    cards = cards_of(connection, customer.customer_id, periods)
    months = periods_of(connection, {each.report_id for each in final_lines})
    final = [(each.line, months[each.report_id], ReportStatus.FINAL) for each in final_lines]
    through = closed_through(connection, customer.customer_id)
    late = late_periods(connection, customer.customer_id)
    # A closed month has nothing to decide but what came late.
    undecided = [each for each in periods if through is None or each > through or each in late]
    scope = Scope([(customer.customer_id, each) for each in undecided], user_key=user_key)
    first_open = None if through is None else Period(through).end
    draft = [
        (line, max(line.period, first_open or line.period), ReportStatus.DRAFT)
        for line, _ in lines(connection, scope, lead_id=lead_id)
    ]
    return [
        LineOnReport(
            line._replace(caps_product=cards[line.period].caps_product),
            report_period,
            status,
            cards[line.period],
        )
        for line, report_period, status in sorted(
            [*final, *draft], key=lambda decided: decided[0].timestamp
        )
    ]
