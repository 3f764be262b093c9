"""Totals: sums over lines, as decimal text."""

from typing import Literal

from common.money import CURRENCY, amount
from common.rating import totals
from services.reports.api.schemas.answer import Amount, Answer


class Savings(Answer):
    """What was not billed, and why."""

    duplicate: Amount
    cap: Amount
    total: Amount

    @classmethod
    def from_cents(cls, duplicate_cents: int, cap_cents: int) -> "Savings":
        return cls(
            duplicate=amount(duplicate_cents),
            cap=amount(cap_cents),
            total=amount(duplicate_cents + cap_cents),
        )


class Amounts(Answer):
    """Gross = billed + savings."""

    currency: Literal["USD"]
    gross: Amount
    billed: Amount
    savings: Savings

    @classmethod
    def difference(cls, new: totals.Totals, old: totals.Totals) -> "Amounts":
        """What `new` is more than `old`."""
        return cls(
            currency=CURRENCY,
            gross=amount(new.gross_cents - old.gross_cents),
            billed=amount(new.billed_cents - old.billed_cents),
            savings=Savings.from_cents(
                new.duplicate_cents - old.duplicate_cents, new.cap_cents - old.cap_cents
            ),
        )


class Totals(Amounts):
    """Sums over lines; `leads` counts the leads with a line."""

    leads: int
    actions: int

    @classmethod
    def from_totals(cls, of: totals.Totals) -> "Totals":
        return cls(
            currency=CURRENCY,
            gross=amount(of.gross_cents),
            billed=amount(of.billed_cents),
            savings=Savings.from_cents(of.duplicate_cents, of.cap_cents),
            leads=of.leads,
            actions=of.actions,
        )
