"""Reading the form of a rate card as the API takes a card."""

import re

from common.rating.schemas import NewCard
from services.reports.console.forms import Fields, parsed
from services.reports.console.rate_card_terms import LEVELS, RateRow

FIELDS = (
    *("customer_id", "expected_version", "name", "valid_from", "cap_amount", "cap_scope"),
    *("dispute_window_days", "follows_default"),
    *("period", *(f"base-{level}" for level in LEVELS)),
)
_COLUMNS = ("level", "type", "product", "amount")  # of a rate's row, in the form
_SHORT_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]{1,2})?)?")


def proposed_card(form: Fields) -> NewCard:
    """The card that the form describes. Raises Invalid."""
    rates = [
        {"engagement_level": level, "amount": _full(form.get(f"base-{level}", ""))}
        for level in LEVELS
    ] + [
        {
            "engagement_level": row.level,
            "amount": _full(row.amount),
            "lead_type": row.lead_type or None,
            "product_id": row.product_id or None,
        }
        for row in specific_rows(form)
    ]
    days = form.get("dispute_window_days", "")
    terms: dict[str, object] = {
        "rates": rates,
        "cap": {
            "amount": _full(form.get("cap_amount", "")),
            "scope": form.get("cap_scope", "user"),
        },
        "duplicates_charged_for": form.getlist("charged"),
        "dispute_window_days": _number(window) if (window := days.strip()) else None,
    }
    return parsed(
        NewCard,
        {
            "customer_id": form.get("customer_id") or None,
            "name": form.get("name", ""),
            "valid_from": form.get("valid_from", ""),
            "expected_version": _number(form.get("expected_version", "")),
        }
        | ({"follows_default": True} if form.get("follows_default") else terms),
    )


def _number(text: str) -> int | str:
    """The typed number, or the text if it is no number, which is then refused."""
    typed = text.strip()
    return int(typed) if typed.isdecimal() and len(typed) < 10 else typed


def specific_rows(form: Fields) -> list[RateRow]:
    """The more specific rates of the form, without empty rows."""
    numbers = sorted(
        int(name.removeprefix("level-")) for name in form if re.fullmatch(r"level-[0-9]{1,4}", name)
    )
    rows = [
        RateRow(*(form.get(f"{part}-{number}", "").strip() for part in _COLUMNS))
        for number in numbers
    ]
    return [row for row in rows if any(row)]


def _full(text: str) -> str:
    """A typed amount with two decimal places: "15" becomes "15.00"."""
    typed = text.strip().replace(",", "")
    match = _SHORT_AMOUNT.fullmatch(typed)
    return typed if match is None else f"{match[1]}.{(match[2] or '').ljust(2, '0')}"
