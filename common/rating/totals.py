"""Totals: sums over lines, in integer cents."""

from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import NamedTuple


class Totals(NamedTuple):
    """Sums over lines. Amounts in cents; `leads` counts those with a line."""

    gross_cents: int = 0
    billed_cents: int = 0
    duplicate_cents: int = 0
    cap_cents: int = 0
    leads: int = 0
    actions: int = 0

    def plus(self, other: "Totals") -> "Totals":
        return Totals._make(map(add, self, other))


def sum_of(totals: Iterable[Totals]) -> Totals:
    """The sum of several totals, of which no two count the same lead."""
    return reduce(Totals.plus, totals, Totals())
