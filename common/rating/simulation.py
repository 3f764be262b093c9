"""Simulation: what stored actions would cost on a proposed rate card.

Invariant: nothing is written, and the same statement rates as for a bill; only the card differs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import Period
from common.catalog.models import Customer
from common.problems import FieldError, Invalid
from common.rating.line import Totals
from common.rating.periods import RatingScope, active_periods, period_totals
from common.rating.rate_card_checks import (
    require_sound,
    unknown_customer,
    with_known_lead_types,
)
from common.rating.rate_cards import CardInForce, rate_cards_in_force, statement_parameter
from common.rating.schemas import ProposedCard


@dataclass(frozen=True, slots=True)
class Simulated:
    """One customer's period, as it is priced and as it would be."""

    customer_id: str
    customer_name: str
    rate_card: CardInForce
    is_repriced: bool
    current: Totals
    proposed: Totals


def simulate(
    session: Session,
    period: Period,
    card: ProposedCard,
    customers: Sequence[tuple[str, str]] | None,
) -> list[Simulated]:
    """Each customer's period on the cards in force and on `card`, by customer id.

    `customers`: ids with their pointers in the request; the card is tried as their own. With None
    it is tried as the default card, for all customers with actions in the period: customers with a
    card of their own keep it.

    Raises Invalid for a card or customer that is refused, and Unpriced when an action has no price
    on the card in force.
    """
    card = with_known_lead_types(session, card)
    require_sound(session, card, "/rate_card")
    if card.follows_default and customers is None:
        raise Invalid(
            "the simulation names no customers",
            [
                FieldError(
                    "/rate_card/follows_default",
                    "customer_needed",
                    "needs customer_id or customer_ids: who would follow the default card",
                )
            ],
        )
    ids = None if customers is None else _known(session, customers)
    if ids is None:
        active = active_periods(session, None, period.start, period.end)
        ids = {customer_id for customer_id, _ in active}
    if not ids:
        return []
    cards = rate_cards_in_force(session, [(customer_id, period.start) for customer_id in ids])
    in_force = {customer_id: card for (customer_id, _), card in cards.items()}
    repriced = {key for key in ids if customers is not None or in_force[key].is_default}
    current = _totals(session, ids, period)
    proposed = _totals(session, repriced, period, statement_parameter(session, card, period))
    rows = session.execute(
        select(Customer.customer_id, Customer.external_id, Customer.name)
        .where(Customer.customer_id.in_(ids))
        .order_by(Customer.external_id)
    )
    return [
        Simulated(
            row.external_id,
            row.name,
            in_force[row.customer_id],
            row.customer_id in repriced,
            current.get(row.customer_id, Totals()),
            (proposed if row.customer_id in repriced else current).get(row.customer_id, Totals()),
        )
        for row in rows
    ]


def _totals(
    session: Session, customers: set[UUID], period: Period, card: str | None = None
) -> dict[UUID, Totals]:
    pairs = [(customer, period.start) for customer in sorted(customers)]
    scope = RatingScope(pairs, as_if_open=True, proposed_card=card)
    return {row.customer_id: row.totals for row in period_totals(session, scope)}


def _known(session: Session, customers: Sequence[tuple[str, str]]) -> set[UUID]:
    pointers = [(identifiers.customer_id(name), pointer) for name, pointer in customers]
    query = select(Customer.customer_id).where(
        Customer.customer_id.in_([customer_id for customer_id, _ in pointers])
    )
    known = set(session.scalars(query))
    errors = [
        unknown_customer(pointer) for customer_id, pointer in pointers if customer_id not in known
    ]
    if errors:
        raise Invalid("the simulation names customers that are not known", errors)
    return known
