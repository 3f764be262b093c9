"""Money: integer cents, written as decimal text."""

from typing import Final

CURRENCY: Final = "USD"


def amount(cents: int) -> str:
    """Cents as the decimal string that JSON carries: 1200 is "12.00"."""
    if cents < 0:
        return f"-{amount(-cents)}"
    return f"{cents // 100}.{cents % 100:02d}"


def money(cents: int) -> str:
    """Cents with their currency, for a sentence: "12.00 USD"."""
    return f"{amount(cents)} {CURRENCY}"
