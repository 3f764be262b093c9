"""Rate cards: the versions that are stored, and which of them is in force.

Invariant: a version is never edited, and takes effect at the start of a period in which it
prices no action yet (docs/billing-rules.md, Price), so two cards never price one period.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import (
    ColumnElement,
    ScalarResult,
    Select,
    column,
    func,
    insert,
    null,
    or_,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.orm import Session, with_loader_criteria

from common import identifiers
from common.audit_log import record_change
from common.billing_period import Period
from common.catalog.models import Customer
from common.catalog.products import is_shown
from common.catalog.rating_backlog import append_customer
from common.database.sql_loader import load_statement
from common.database.transactions import tenant
from common.enums import CapScope
from common.problems import NotFound, Unpriced
from common.rating.models import RateCard, RateCardChargedDuplicates
from common.rating.models import RateCardRate as StoredRate
from common.rating.rate_card_checks import (
    is_of,
    owner_of,
    require_addable,
    with_known_lead_types,
)
from common.rating.schemas import CardKey, NewCard, ProposedCard, ProposedRate

_RATE_CARDS_IN_FORCE = text(load_statement("rating", "rate_cards_in_force"))
_RATE_CARDS_WITH_PRICES = text(load_statement("rating", "rate_cards_with_prices"))


class CardInForce(NamedTuple):
    """The card that prices a customer's period."""

    rate_card_id: UUID
    name: str
    version: int
    is_default: bool
    caps_each_product: bool  # has a cap for each product of a user, not one for all of them


def rate_cards_in_force(
    session: Session, pairs: Collection[tuple[UUID, date]]
) -> dict[tuple[UUID, date], CardInForce]:
    """The card that prices each pair of a customer and a period. Raises Unpriced without one."""
    rows = session.execute(_RATE_CARDS_IN_FORCE, _parameters_of(pairs))
    cards = {(customer_id, period): CardInForce(*card) for customer_id, period, *card in rows}
    _require_all(pairs, cards)
    return cards


def rate_cards_with_prices(
    session: Session, customer_id: UUID, periods: Collection[date]
) -> dict[date, tuple[CardInForce, list[list[Any]]]]:
    """The card that prices each period of a customer, with its prices as `unit_prices` has them.

    Raises Unpriced for a period without a card.
    """
    pairs = [(customer_id, period) for period in periods]
    rows = session.execute(_RATE_CARDS_WITH_PRICES, _parameters_of(pairs))
    cards = {(owner, period): (CardInForce(*card), prices) for owner, period, *card, prices in rows}
    _require_all(pairs, cards)
    return {period: card for (_, period), card in cards.items()}


def _parameters_of(pairs: Collection[tuple[UUID, date]]) -> dict[str, Any]:
    return {
        "customer_ids": [str(customer_id) for customer_id, _ in pairs],
        "periods": [period for _, period in pairs],
    }


def _require_all(
    pairs: Collection[tuple[UUID, date]], cards: Collection[tuple[UUID, date]]
) -> None:
    if missing := [period for customer_id, period in pairs if (customer_id, period) not in cards]:
        raise no_rate_card(Period(min(missing)))


def no_rate_card(period: Period) -> Unpriced:
    return Unpriced(f"no rate card is in force in {period}")


def add_rate_card(session: Session, card: NewCard, now: datetime) -> RateCard:
    """Stores a new version.

    Raises Invalid for a card that is incomplete or names what is not known, and Conflict when its
    first month has begun or is closed, or when somebody else added a version first.
    """
    card = with_known_lead_types(session, card)
    newest = require_addable(session, card, now)
    customer_id, period = owner_of(card), Period.parse(card.valid_from)
    card_id = session.execute(
        insert(RateCard)
        .values(
            customer_id=customer_id,
            name=card.name,
            version=newest + 1,
            valid_from=period.start,
            currency=card.currency,
            follows_default=card.follows_default,
            **_terms(card),
        )
        .returning(RateCard.rate_card_id)
    ).scalar_one()
    of_card = {"rate_card_id": card_id, "customer_id": customer_id}
    if card.rates:
        session.execute(insert(StoredRate), [_row(rate) | of_card for rate in card.rates])
    if card.duplicates_charged_for:
        session.execute(
            insert(RateCardChargedDuplicates),
            [{"lead_type": lead_type} | of_card for lead_type in card.duplicates_charged_for],
        )
    append_customer(session, customer_id, period.start)
    stored = session.get_one(RateCard, card_id)
    record_change(session, "created", "rate_card", card_id, after=_audited(stored))
    return stored


def _audited(card: RateCard) -> dict[str, Any]:
    columns = (
        "name",
        "version",
        "valid_from",
        "currency",
        "cap_cents",
        "cap_scope",
        "dispute_window_days",
        "follows_default",
    )
    return {column: getattr(card, column) for column in columns} | {
        "customer_id": card.customer and card.customer.external_id,
        "rates": [_audited_rate(rate) for rate in card.rates],
        "duplicates_charged_for": [charged.lead_type for charged in card.charged_duplicates],
    }


def _audited_rate(rate: StoredRate) -> dict[str, Any]:
    """A price, with the lead type and product that it is for, if it is for certain ones."""
    members = {
        "engagement_level": rate.engagement_level,
        "lead_type": rate.lead_type,
        "product_id": rate.product and rate.product.external_id,
        "amount_cents": rate.amount_cents,
    }
    return {name: value for name, value in members.items() if value is not None}


def statement_parameter(session: Session, card: ProposedCard, period: Period) -> str:
    """The card as the rating statement takes one in place of those in force: JSON.

    A card that follows the default card is the default card of the period. Raises Unpriced where
    there is none that the request may show.
    """
    if card.follows_default:
        return _parameter_of_default(session, period)
    terms = _terms(card)
    rates = [_row(rate) for rate in card.rates or []]
    return _parameter(terms["cap_cents"], terms["cap_scope"], card.duplicates_charged_for, rates)


def _parameter_of_default(session: Session, period: Period) -> str:
    default_card = func.rate_card_in_force(null(), period.start)
    card_id = session.scalar(select(column("rate_card_id")).select_from(default_card))
    if card_id is None:
        raise no_rate_card(period)
    card = _found(session, select(RateCard).where(RateCard.rate_card_id == card_id)).first()
    if card is None:
        raise no_rate_card(period)
    rates = [
        {
            "engagement_level": rate.engagement_level,
            "lead_type": rate.lead_type,
            "product_id": rate.product_id,
            "amount_cents": rate.amount_cents,
        }
        for rate in card.rates
    ]
    lead_types = [charged.lead_type for charged in card.charged_duplicates]
    return _parameter(card.cap_cents, card.cap_scope, lead_types, rates)


def _parameter(
    cap_cents: int,
    cap_scope: CapScope,
    duplicates_charged_for: Sequence[str],
    rates: Sequence[Mapping[str, object]],
) -> str:
    return to_json(
        {
            "cap_cents": cap_cents,
            "cap_scope": cap_scope,
            "duplicates_charged_for": duplicates_charged_for,
            "rates": rates,
        }
    ).decode()


def latest_rate_card(session: Session, customer_id: UUID | None) -> RateCard | None:
    """The newest version of a customer's own card, or of the default one, where there is one."""
    query = select(RateCard).where(is_of(customer_id)).order_by(RateCard.version.desc()).limit(1)
    return _found(session, query).first()


def rate_card_by_number(session: Session, customer_id: UUID | None, number: int) -> RateCard | None:
    """One version by its number."""
    query = select(RateCard).where(is_of(customer_id), RateCard.version == number)
    return _found(session, query).first()


def get_rate_card(session: Session, rate_card_id: UUID) -> RateCard:
    """One version by its id. Raises NotFound."""
    query = select(RateCard).where(RateCard.rate_card_id == rate_card_id)
    card = _found(session, query).first()
    if card is None:
        raise NotFound(f"no rate card has the id {rate_card_id}")
    return card


def list_rate_cards(
    session: Session, customer_id: str | None, after: CardKey | None, limit: int
) -> list[RateCard]:
    """At most `limit` versions: the default card's, then each customer's, the newest first.

    With `customer_id` only that customer's own.
    """
    owner = func.coalesce(Customer.external_id, text("''"))
    query = (
        select(RateCard)
        .outerjoin(Customer, RateCard.customer_id == Customer.customer_id)
        .order_by(owner, RateCard.version.desc())
        .limit(limit)
    )
    if customer_id is not None:
        query = query.where(RateCard.customer_id == identifiers.customer_id(customer_id))
    if after is not None:
        query = query.where(tuple_(owner, -RateCard.version) > (after.owner, -after.version))
    return list(_found(session, query))


def _found(session: Session, query: Select[RateCard]) -> ScalarResult[RateCard]:
    """Cards that the request may show, without the rates of products that it may not."""
    of_shown_products = StoredRate.product_id.is_(None) | is_shown(StoredRate.product_id)
    only_these = with_loader_criteria(StoredRate, of_shown_products)
    return session.scalars(query.where(_is_shown()).options(only_these))


def _is_shown() -> ColumnElement[bool]:
    """Whether a request may show a card: a tenant is shown its own, and the default cards that are
    in force for it in a month.

    Which card is in force changes only in a month in which a card becomes valid.
    """
    owner = tenant()
    if owner is None:
        return true()
    of_tenant = RateCard.customer_id == owner
    months = (
        select(RateCard.valid_from)
        .where(or_(RateCard.customer_id.is_(None), of_tenant))
        .distinct()
        .subquery()
    )
    in_force = func.rate_card_in_force(owner, months.c.valid_from)
    card = in_force.table_valued("rate_card_id").lateral()
    cards = select(card.c.rate_card_id).select_from(months.join(card, true()))
    return of_tenant | RateCard.rate_card_id.in_(cards)


def _terms(card: ProposedCard) -> dict[str, Any]:
    """What of a card stands in its own row, beside its rates."""
    terms: dict[str, Any] = {}
    if card.dispute_window_days is not None:
        terms["dispute_window_days"] = card.dispute_window_days
    if card.cap is not None:
        terms |= {"cap_cents": _cents(card.cap.amount), "cap_scope": CapScope(card.cap.scope)}
    return terms


def _cents(amount: str) -> int:
    return int(amount.replace(".", ""))


def _row(rate: ProposedRate) -> dict[str, object]:
    level, lead_type, product = rate.place()
    return {
        "engagement_level": level,
        "lead_type": lead_type,
        "product_id": product,
        "amount_cents": _cents(rate.amount),
    }
