"""Totals: sums over lines, in integer cents."""

from typing import Any, NamedTuple

from common.money import CURRENCY, amount


class Totals(NamedTuple):
    """Sums over lines. Amounts in cents; `leads` counts those with a line."""

    gross_cents: int = 0
    billed_cents: int = 0
    duplicate_cents: int = 0
    cap_cents: int = 0
    leads: int = 0
    actions: int = 0

    def plus(self, other: "Totals") -> "Totals":
        return Totals(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def document(self) -> dict[str, Any]:
        return {
            "currency": CURRENCY,
            "gross": amount(self.gross_cents),
            "billed": amount(self.billed_cents),
            "savings": savings(self.duplicate_cents, self.cap_cents),
            "leads": self.leads,
            "actions": self.actions,
        }


def savings(duplicate_cents: int, cap_cents: int) -> dict[str, str]:
    return {
        "duplicate": amount(duplicate_cents),
        "cap": amount(cap_cents),
        "total": amount(duplicate_cents + cap_cents),
    }
