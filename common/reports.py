"""A customer's report of a period, put together from the decided actions.

Invariant: a draft is computed from what is stored and never stored itself; given a snapshot, its
totals, its parts and its lines are of one moment.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection

from common import identifiers, queries
from common.billing import Group, Line, Period, Report, ReportStatus, Totals, notices_of
from common.models import Customer
from common.problems import Unpriced
from common.queries import LineKey, Part, Scope, SummaryRow


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
    card = queries.rate_card_in_force(connection, customer.customer_id, period.start)
    if card is None:
        raise Unpriced(f"no rate card is in force in {period}")
    summary = queries.summarise(connection, scope)
    totals, without_user = _whole(summary)
    lines: Iterable[Line]
    next_page = None
    if most is None:
        lines = (line for line, _ in queries.lines(connection, scope))
    else:
        page = list(queries.lines(connection, scope, after=after, most=most + 1))
        lines = [line for line, _ in page[:most]]
        next_page = page[most - 1][1] if len(page) > most else None
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
            by_product=_groups(
                summary,
                Part.PRODUCT,
                lambda r: {"product_id": r.product_id, "name": r.product_name},
            ),
            by_lead_type=_groups(summary, Part.LEAD_TYPE, lambda r: {"lead_type": r.lead_type}),
            by_user=_groups(summary, Part.USER, lambda r: {"user": r.user, "user_key": r.user_key}),
            by_lead=_groups(
                summary,
                Part.LEAD,
                lambda r: {
                    "lead_id": r.lead_id,
                    "product_id": r.product_id,
                    "lead_type": r.lead_type,
                    "user": r.user,
                },
            ),
            lines=lines,
            notices=notices_of(totals, without_user),
            generated_at=datetime.now(UTC),
        ),
        next_page,
    )


def lead_lines(
    connection: Connection, customer: Customer, user_key: UUID, lead_id: UUID
) -> list[Line]:
    """What was decided about each action of a lead, in canonical order."""
    periods = queries.lead_periods(connection, lead_id)
    scope = Scope([(customer.customer_id, period) for period in periods], user_key=user_key)
    return [line for line, _ in queries.lines(connection, scope, lead_id=lead_id)]


def _whole(summary: list[SummaryRow]) -> tuple[Totals, int]:
    whole = next(row for row in summary if row.part is Part.WHOLE)
    return whole.totals, whole.leads_without_user


def _groups(
    summary: list[SummaryRow], part: Part, members: Callable[[SummaryRow], dict[str, str | None]]
) -> list[Group]:
    return [Group(members(row), row.totals) for row in summary if row.part is part]
