"""The scope of rating: which customers, periods, users and instants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Scope:
    """Which customers' periods are rated, for which user, and which part of them is shown.

    `start` and `end` are instants, or bare dates that mean midnight in each customer's zone;
    `start` is inclusive, `end` exclusive. `as_of`: the period of a final report, to rate its
    actions again. `as_if_open`: closed periods are rated whole, as if nobody had closed them.
    `proposed_card`: a card that prices all of them in place of the ones in force, as
    common/rating/rate_cards.py writes it.
    """

    pairs: Sequence[tuple[UUID, date]]
    user_key: UUID | None = None
    start: date | datetime | None = None
    end: date | datetime | None = None
    as_of: date | None = None
    as_if_open: bool = False
    proposed_card: str | None = None

    def parameters(self) -> dict[str, Any]:
        return {
            "customer_ids": [str(customer) for customer, _ in self.pairs],
            "periods": [period for _, period in self.pairs],
            "user_key": self.user_key and str(self.user_key),
            "as_of": self.as_of,
            "as_if_open": self.as_if_open,
            "proposed_card": self.proposed_card,
        } | range_parameters(self.start, self.end)


def range_parameters(start: date | datetime | None, end: date | datetime | None) -> dict[str, Any]:
    """The four parameters by which a statement takes a range of instants or bare dates."""
    return {
        "from_instant": start if isinstance(start, datetime) else None,
        "from_date": None if isinstance(start, datetime) else start,
        "to_instant": end if isinstance(end, datetime) else None,
        "to_date": None if isinstance(end, datetime) else end,
    }
