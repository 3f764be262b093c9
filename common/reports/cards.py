"""The rate card of each period on a report."""

from collections.abc import Iterable, Mapping
from datetime import date
from uuid import UUID

from sqlalchemy import Connection

from common.billing_period import Period
from common.problems import Unpriced
from common.rating.card_in_force import rate_card_in_force
from common.rating.line import Line
from common.reports.model import CardName


def cards_of(
    connection: Connection, customer_id: UUID, periods: Iterable[date]
) -> dict[date, CardName]:
    """The card that priced each month, for ever: none is added for a month that has begun."""
    found = {}
    for period in set(periods):
        card = rate_card_in_force(connection, customer_id, period)
        if card is None:
            raise Unpriced(f"no rate card is in force in {Period(period)}")
        found[period] = CardName(card.name, card.version, card.caps_product)
    return found


def cards_of_lines(
    connection: Connection, customer_id: UUID, lines: list[Line]
) -> dict[date, CardName]:
    return cards_of(connection, customer_id, (line.period for line in lines))


def under_cap(lines: Iterable[Line], caps_product: bool) -> Iterable[Line]:
    """Lines of a month, with which kind of cap its card has."""
    return (line._replace(caps_product=True) for line in lines) if caps_product else lines


def under_cards(lines: Iterable[Line], cards: Mapping[date, CardName]) -> list[Line]:
    """Lines of several months, with which kind of cap the card of each has."""
    return [line._replace(caps_product=cards[line.period].caps_product) for line in lines]
