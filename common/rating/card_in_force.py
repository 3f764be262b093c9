"""The rate card in force for a customer and a period (docs/billing-rules.md, Price)."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text


class RateCardInForce(NamedTuple):
    """The card that prices a customer's month."""

    rate_card_id: UUID
    name: str
    version: int
    is_default: bool
    caps_product: bool  # has a cap for each product of a user, not one for all of them
    is_plain: bool  # has prices by level alone, charges no duplicates, and caps a user as a whole


def rate_card_in_force(
    connection: Connection, customer_id: UUID, period: date
) -> RateCardInForce | None:
    """The customer's own card in force at the period's start, else the default one.

    An own card that follows the default one is as if there were none.
    """
    return rate_cards_in_force(connection, [customer_id], period).get(customer_id)


# Of each of :customer_ids, the members of a RateCardInForce behind its id.
CARDS_IN_FORCE = """
select
    wanted.customer_id, card.rate_card_id, card.name, card.version, card.is_default,
    card.cap_scope = 'user_and_product' as caps_product,
    card.cap_scope = 'user'
    and not exists (
        select from rate_card_charged_duplicates as charged
        where charged.rate_card_id = card.rate_card_id
    )
    and not exists (
        select from rate_card_rates
        where rate_card_rates.rate_card_id = card.rate_card_id
            and (rate_card_rates.lead_type is not null or rate_card_rates.product_id is not null)
    ) as is_plain
from unnest(cast(:customer_ids as uuid[])) as wanted (customer_id)
cross join lateral (
    select rate_card_id, name, version, customer_id is null as is_default, cap_scope
    from (
        select distinct on (customer_id is null) *
        from rate_cards
        where (rate_cards.customer_id = wanted.customer_id or rate_cards.customer_id is null)
            and valid_from <= :period
        order by customer_id is null, valid_from desc, version desc
    ) as newest
    where not follows_default
    order by customer_id is null
    limit 1
) as card
"""
_CARDS_IN_FORCE = text(CARDS_IN_FORCE)


def rate_cards_in_force(
    connection: Connection, customer_ids: Iterable[UUID], period: date
) -> dict[UUID, RateCardInForce]:
    """The card that prices the month for each customer."""
    rows = connection.execute(
        _CARDS_IN_FORCE, {"customer_ids": [str(each) for each in customer_ids], "period": period}
    )
    return {customer_id: RateCardInForce(*card) for customer_id, *card in rows}
