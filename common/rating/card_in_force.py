"""The rate card in force for a customer and a period (docs/billing-rules.md, Price)."""

from collections.abc import Collection
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement

_RATE_CARDS_IN_FORCE = text(load_statement("rating", "rate_cards_in_force"))


class RateCardInForce(NamedTuple):
    """The card that prices a customer's period."""

    rate_card_id: UUID
    name: str
    version: int
    is_default: bool
    caps_product: bool  # has a cap for each product of a user, not one for all of them


def rate_cards_in_force(
    session: Session, pairs: Collection[tuple[UUID, date]]
) -> dict[tuple[UUID, date], RateCardInForce]:
    """The card that prices each pair of a customer and a period, where there is one."""
    rows = session.execute(
        _RATE_CARDS_IN_FORCE,
        {
            "customer_ids": [str(customer_id) for customer_id, _ in pairs],
            "periods": [period for _, period in pairs],
        },
    )
    return {(customer_id, period): RateCardInForce(*card) for customer_id, period, *card in rows}
