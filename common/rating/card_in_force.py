"""The rate card in force for a customer and a period (docs/billing-rules.md, Price)."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from common.database.sql_loader import load_statement


class RateCardInForce(NamedTuple):
    """The card that prices a customer's month."""

    rate_card_id: UUID
    name: str
    version: int
    is_default: bool
    caps_product: bool  # has a cap for each product of a user, not one for all of them
    is_flat: bool  # has prices by level only, charges no duplicates, and has one cap for each user


def rate_card_in_force(
    connection: Connection, customer_id: UUID, period: date
) -> RateCardInForce | None:
    """The customer's own card in force at the period's start, else the default one.

    An own card that follows the default one is as if there were none.
    """
    return rate_cards_in_force(connection, [customer_id], period).get(customer_id)


_CARDS_IN_FORCE = text(load_statement("rating", "rate_cards_in_force"))


def rate_cards_in_force(
    connection: Connection, customer_ids: Iterable[UUID], period: date
) -> dict[UUID, RateCardInForce]:
    """The card that prices the month for each customer."""
    rows = connection.execute(
        _CARDS_IN_FORCE, {"customer_ids": [str(each) for each in customer_ids], "period": period}
    )
    return {customer_id: RateCardInForce(*card) for customer_id, *card in rows}


_CARDS_OF_PERIODS = text(load_statement("rating", "cards_of_periods"))


def cards_of_periods(
    connection: Connection, customer_id: UUID, periods: Iterable[date]
) -> dict[date, RateCardInForce]:
    """The card that prices each period for a customer."""
    parameters = {"customer_id": str(customer_id), "periods": list(periods)}
    rows = connection.execute(_CARDS_OF_PERIODS, parameters)
    return {period: RateCardInForce(*card) for period, *card in rows}
