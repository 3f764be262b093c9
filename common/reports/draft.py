"""Draft reports: an open period, rated at each request and never stored."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection

from common import identifiers
from common.billing_period import Period
from common.catalog.models import Customer
from common.disputes.credit import Credit
from common.disputes.credits import pending_credits
from common.enums import ReportStatus
from common.final_reports.late_actions import late_periods
from common.final_reports.store import (
    closed_through,
)
from common.problems import Unpriced
from common.rating import rated_lines
from common.rating.breakdowns import summarise
from common.rating.card_in_force import rate_card_in_force
from common.rating.line import Line
from common.rating.rated_lines import LineKey
from common.rating.scope import Scope
from common.reports.cards import cards_of_lines, under_cap, under_cards
from common.reports.model import Report, notices_of
from common.reports.parts import parts_of, whole_of


def draft_report(
    connection: Connection,
    customer: Customer,
    period: Period,
    *,
    after: LineKey | None = None,
    most: int | None = None,
) -> tuple[Report, LineKey | None]:
    """The report of an open period, and where its next page of lines begins.

    With `most`, the report holds at most that many lines, from behind `after` on. Without, its
    lines are a stream that is read once and needs the connection until it ends.

    Raises Unpriced when an action has no price on the rate card in force.
    """
    scope = Scope([(customer.customer_id, period.start)])
    card = rate_card_in_force(connection, customer.customer_id, period.start)
    if card is None:
        raise Unpriced(f"no rate card is in force in {period}")
    summary = summarise(connection, scope)
    totals, without_user = whole_of(summary)
    lines: Iterable[Line]
    next_page = None
    if most is None:
        found = (line for line, _ in rated_lines.lines(connection, scope))
        lines = under_cap(found, card.caps_product)
    else:
        page = list(rated_lines.lines(connection, scope, after=after, most=most + 1))
        lines = list(under_cap((line for line, _ in page[:most]), card.caps_product))
        next_page = page[most - 1][1] if len(page) > most else None
    prior = late_lines(connection, customer, period)
    prior_cards = cards_of_lines(connection, customer.customer_id, prior)
    return (
        Report(
            report_id=str(identifiers.report_id(customer.customer_id, str(period))),
            customer_id=customer.external_id,
            customer_name=customer.name,
            period=period,
            timezone=customer.timezone,
            status=ReportStatus.DRAFT,
            rate_card_name=card.name,
            rate_card_version=card.version,
            totals=totals,
            parts=parts_of(summary),
            lines=lines,
            notices=notices_of(totals, without_user),
            generated_at=datetime.now(UTC),
            prior_period=under_cards(prior, prior_cards),
            prior_cards=prior_cards,
            credits=credits_of_draft(connection, customer, period),
        ),
        next_page,
    )


def late_lines(connection: Connection, customer: Customer, period: Period) -> list[Line]:
    """The prior-period lines of a month: all of them stand on the first open month.

    docs/billing-rules.md, Closing a period.
    """
    through = closed_through(connection, customer.customer_id)
    if through is None or Period(through).end != period.start:
        return []
    late = late_periods(connection, customer.customer_id)
    scope = Scope([(customer.customer_id, each) for each in late])
    return [line for line, _ in rated_lines.lines(connection, scope)]


def credits_of_draft(connection: Connection, customer: Customer, period: Period) -> list[Credit]:
    """The credits that stand on an open month: those of the first one, as prior-period lines."""
    through = closed_through(connection, customer.customer_id)
    if through is None or Period(through).end != period.start:
        return []
    return pending_credits(connection, customer.customer_id)
