"""The terms of a rate card as lines to read and to compare."""

from typing import NamedTuple

from common.billing_period import Period
from common.enums import EngagementLevel
from common.money import amount
from common.rating.models import DISPUTE_WINDOW_DAYS, RateCard
from common.rating.schemas import NewCard

LEVELS = [level.value for level in EngagementLevel]
SCOPES = {"user": "each user", "user_and_product": "each user and product"}
_FOLLOWS = {"Prices": "those of the default card"}


class RateRow(NamedTuple):
    """A more specific rate as the form shows it."""

    level: str = ""
    lead_type: str = ""
    product_id: str = ""
    amount: str = ""


class Difference(NamedTuple):
    """A term when the form was opened, on the newest version, and in the form."""

    name: str
    seen: str
    newest: str
    entered: str


def prices_by_level(card: RateCard | None) -> dict[str, str]:
    """The price of each level alone."""
    return {
        rate.engagement_level.value: amount(rate.amount_cents)
        for rate in (card.rates if card else [])
        if rate.lead_type is None and rate.product_id is None
    }


def specific_rates(card: RateCard | None) -> list[RateRow]:
    return [
        RateRow(
            rate.engagement_level.value,
            rate.lead_type or "",
            rate.product.external_id if rate.product else "",
            amount(rate.amount_cents),
        )
        for rate in (card.rates if card else [])
        if rate.lead_type is not None or rate.product_id is not None
    ]


def stored_terms(card: RateCard | None) -> dict[str, str]:
    """A version as lines to read and compare."""
    if card is None:
        return {}
    begins = {"Name": card.name, "Effective from": Period(card.valid_from).name}
    if card.follows_default:
        return begins | _FOLLOWS
    return begins | _terms(
        amount(card.cap_cents),
        card.cap_scope.value,
        card.dispute_window_days,
        [
            *[RateRow(level, amount=text) for level, text in prices_by_level(card).items()],
            *specific_rates(card),
        ],
        [charged.lead_type for charged in card.charged_duplicates],
    )


def proposed_terms(card: NewCard) -> dict[str, str]:
    begins = {"Name": card.name, "Effective from": Period.parse(card.valid_from).name}
    if card.follows_default or card.cap is None:
        return begins | _FOLLOWS
    rows = [
        RateRow(
            rate.engagement_level.capitalize(),
            rate.lead_type or "",
            rate.product_id or "",
            rate.amount,
        )
        for rate in card.rates or []
    ]
    return begins | _terms(
        card.cap.amount,
        card.cap.scope,
        DISPUTE_WINDOW_DAYS if card.dispute_window_days is None else card.dispute_window_days,
        rows,
        card.duplicates_charged_for,
    )


def _terms(
    cap: str, scope: str, days: int, rows: list[RateRow], charged: list[str]
) -> dict[str, str]:
    terms = {
        "Cap": f"{cap} for {SCOPES[scope]}",
        "Duplicates charged for": ", ".join(sorted(charged)) or "no lead type",
        "Lines can be disputed for": f"{days} days",
    }
    for row in rows:
        place = " of ".join(part for part in (row.lead_type, row.product_id) if part)
        terms[f"{row.level}, {place}" if place else row.level] = row.amount
    return terms
