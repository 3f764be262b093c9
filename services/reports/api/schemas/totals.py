"""Totals: sums over lines, as decimal text."""

from operator import sub
from typing import Any, Literal

from pydantic import model_validator

from common.money import CURRENCY
from common.rating import line
from services.reports.api.schemas.answer import Amount, Answer


class Savings(Answer):
    """What was not billed, and why."""

    duplicate: Amount
    cap: Amount
    total: Amount

    @classmethod
    def from_cents(cls, duplicate_cents: int, cap_cents: int) -> "Savings":
        return cls(
            duplicate=duplicate_cents,
            cap=cap_cents,
            total=duplicate_cents + cap_cents,
        )


class Amounts(Answer):
    """Gross = billed + savings."""

    currency: Literal["USD"]
    gross: Amount
    billed: Amount
    savings: Savings

    @model_validator(mode="before")
    @classmethod
    def _from_totals(cls, sums: Any) -> Any:
        if not isinstance(sums, line.Totals):
            return sums
        members = {
            "currency": CURRENCY,
            "gross": sums.gross_cents,
            "billed": sums.billed_cents,
            "savings": Savings.from_cents(sums.duplicate_cents, sums.cap_cents),
            "leads": sums.leads,
            "actions": sums.actions,
        }
        return {name: members[name] for name in cls.model_fields}

    @classmethod
    def difference(cls, new: line.Totals, old: line.Totals) -> "Amounts":
        """What `new` is more than `old`."""
        return cls.model_validate(line.Totals(*map(sub, new, old)))


class Totals(Amounts):
    """Sums over lines; `leads` counts the leads with a line."""

    leads: int
    actions: int
