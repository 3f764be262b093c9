"""Billing periods: which have actions, which are rated, and what each comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.enums import ReportStatus
from common.rating.line import Totals, require_prices

_ACTIVE_PERIODS = text(load_statement("rating", "active_periods"))
_ACTIVE_PERIODS_OF_ALL = text(load_statement("rating", "active_periods_of_all"))
_LEAD_PERIODS = text(load_statement("rating", "lead_periods"))
_PERIOD_TOTALS = text(load_statement("rating", "period_totals"))


@dataclass(frozen=True, slots=True)
class RatingScope:
    """Which customers' periods are rated, for which users, and which part of them is shown.

    `start` and `end` are instants, or bare dates that mean midnight in each customer's zone;
    `start` is inclusive, `end` exclusive. `as_of`: the period of a final report, to rate its
    actions again. `as_if_open`: closed periods are rated whole, as if nobody had closed them.
    `proposed_card`: a card that prices all of them in place of the ones in force, as
    common/rating/rate_cards.py writes it. `user_keys` belong to the pairs, one to each: a pair that
    stands there once for each of some users is rated for these alone, or whole if its key is None.
    """

    pairs: Sequence[tuple[UUID, date]]
    user_keys: Sequence[UUID | str | None] = ()
    start: date | datetime | None = None
    end: date | datetime | None = None
    as_of: date | None = None
    as_if_open: bool = False
    proposed_card: str | None = None

    def parameters(self) -> dict[str, Any]:
        return {
            "customer_ids": [str(customer) for customer, _ in self.pairs],
            "periods": [period for _, period in self.pairs],
            "user_keys": [key and str(key) for key in self.user_keys],
            "as_of": self.as_of,
            "as_if_open": self.as_if_open,
            "proposed_card": self.proposed_card,
        } | range_parameters(self.start, self.end)

    def of_periods(self, first: date, last: date) -> "RatingScope":
        """Those of its pairs that are of a period from `first` to `last`, each with its user."""
        users = self.user_keys or [None] * len(self.pairs)
        shown = [
            (pair, user)
            for pair, user in zip(self.pairs, users, strict=True)
            if first <= pair[1] <= last
        ]
        return replace(
            self, pairs=[pair for pair, _ in shown], user_keys=[user for _, user in shown]
        )


def range_parameters(start: date | datetime | None, end: date | datetime | None) -> dict[str, Any]:
    """The four parameters by which a statement takes a range of instants or bare dates."""
    return {
        "from_instant": start if isinstance(start, datetime) else None,
        "from_date": None if isinstance(start, datetime) else start,
        "to_instant": end if isinstance(end, datetime) else None,
        "to_date": None if isinstance(end, datetime) else end,
    }


def active_periods(
    session: Session,
    customer_id: UUID | None,
    start: date | datetime | None,
    end: date | datetime | None,
) -> list[tuple[UUID, date]]:
    """The customers and periods that have an action from `start` on and before `end`."""
    parameters = range_parameters(start, end)
    if customer_id is None:
        rows = session.execute(_ACTIVE_PERIODS_OF_ALL, parameters)
    else:
        parameters["customer_id"] = str(customer_id)
        rows = session.execute(_ACTIVE_PERIODS, parameters)
    return [(row.customer_id, row.period) for row in rows]


def lead_periods(session: Session, customer_id: UUID, lead_ids: Sequence[UUID]) -> list[date]:
    """The billing periods that the actions of a customer's leads belong to."""
    parameters = {"customer_id": str(customer_id), "lead_ids": [str(each) for each in lead_ids]}
    return list(session.scalars(_LEAD_PERIODS, parameters))


class PeriodTotals(NamedTuple):
    """One customer's period in the list of reports. Only whole periods have an amount due."""

    customer_id: UUID
    customer: str
    customer_name: str
    timezone: str
    period: date
    status: ReportStatus
    totals: Totals
    due_cents: int | None = None


def period_totals(
    session: Session,
    scope: RatingScope,
    statement: TextClause = _PERIOD_TOTALS,
    status: ReportStatus = ReportStatus.DRAFT,
    parameters: Mapping[str, Any] = MappingProxyType({}),
) -> list[PeriodTotals]:
    """What each open period comes to that `scope` shows a line of.

    Another `statement` may read final reports instead, or what stands of open ones; it may take
    `parameters` besides the scope. Raises Unpriced when an action has no price
    on its rate card.
    """
    result = []
    for row in session.execute(statement, {**scope.parameters(), **parameters}):
        require_prices(row.unpriced)
        result.append(
            PeriodTotals(
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
