"""The totals of each customer's open periods."""

from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.enums import ReportStatus
from common.problems import Unpriced
from common.rating.scope import Scope
from common.rating.totals import Totals


def totals_of(row: Any) -> Totals:
    """The sums of a row of leads and actions."""
    return Totals(
        row.gross_cents,
        row.billed_cents,
        row.duplicate_cents,
        row.cap_cents,
        row.leads,
        row.actions,
    )


def require_prices(unpriced: int) -> None:
    if unpriced:
        raise Unpriced(
            f"{unpriced} actions have no price on the rate card in force; "
            "no report is made until they have"
        )


class Entry(NamedTuple):
    """One customer's period in the list of reports. Only whole periods have an amount due."""

    customer_id: UUID
    customer: str
    customer_name: str
    timezone: str
    period: date
    status: ReportStatus
    totals: Totals
    due_cents: int | None = None


_PERIOD_TOTALS = text(load_statement("rating", "period_totals"))


def draft_entries(session: Session, scope: Scope) -> list[Entry]:
    """The totals of every open period that `scope` shows a line of.

    Raises Unpriced when an action has no price on its rate card.
    """
    return entry_rows(session, _PERIOD_TOTALS, scope, ReportStatus.DRAFT)


def entry_rows(
    session: Session, query: TextClause, scope: Scope, status: ReportStatus
) -> list[Entry]:
    result = []
    for row in session.execute(query, scope.parameters()):
        require_prices(row.unpriced)
        result.append(
            Entry(
                row.customer_id,
                row.customer,
                row.name,
                row.timezone,
                row.period,
                status,
                totals_of(row),
            )
        )
    return result
