"""Whether a proposed rate card is complete, names known things and takes effect in time."""

from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select, text
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import Period
from common.catalog.lead_types import lead_types_named
from common.catalog.models import Customer, Product
from common.catalog.products import is_shown
from common.database.locks import lock_customer, lock_default_rate_card
from common.database.sql_loader import load_statement
from common.enums import EngagementLevel
from common.problems import Conflict, FieldError, Invalid
from common.rating.models import RateCard
from common.rating.schemas import NewCard, ProposedCard

Card = TypeVar("Card", bound=ProposedCard)


def require_addable(session: Session, card: NewCard, now: datetime) -> int:
    """Checks the card and returns the newest existing version number, or 0.

    Raises what `add_rate_card` raises. Nobody else can add a version until the transaction ends.
    """
    customer_id = owner_of(card)
    errors = list(_errors(session, card, ""))
    if customer_id is not None and not _is_known(session, customer_id):
        errors.insert(0, unknown_customer("/customer_id"))
    if customer_id is None and card.follows_default:
        errors.append(
            FieldError("/follows_default", "customer_needed", "only a customer's card can follow")
        )
    if errors:
        raise Invalid("the rate card was refused", errors)
    # Versions of one card are added one after another.
    if customer_id is None:
        lock_default_rate_card(session)
    else:
        lock_customer(session, customer_id)
    newest = session.scalar(select(func.max(RateCard.version)).where(is_of(customer_id))) or 0
    if card.expected_version not in {None, newest}:
        raise Conflict(
            f"the newest version of this rate card is {newest}: somebody else has changed it",
            [
                FieldError(
                    "/expected_version", "version_conflict", f"the newest version is {newest}"
                )
            ],
        )
    _require_timely(session, customer_id, Period.parse(card.valid_from), now)
    return newest


def owner_of(card: NewCard) -> UUID | None:
    return None if card.customer_id is None else identifiers.customer_id(card.customer_id)


def require_sound(session: Session, card: ProposedCard, prefix: str) -> None:
    """Raises Invalid for a card that is incomplete or names what is not known.

    `prefix`: the pointer at which the card stands in its request.
    """
    errors = list(_errors(session, card, prefix))
    if errors:
        raise Invalid("the rate card was refused", errors)


def _errors(session: Session, card: ProposedCard, prefix: str) -> Iterator[FieldError]:
    if card.follows_default:
        return
    places = [rate.place() for rate in card.rates or []]
    named_types = {lead_type for _, lead_type, _ in places if lead_type is not None}
    lead_types = lead_types_named(session, named_types.union(card.duplicates_charged_for))
    named_products = {product for _, _, product in places} - {None}
    is_named = Product.product_id.in_(named_products)
    products = set(
        session.scalars(select(Product.product_id).where(is_named, is_shown(Product.product_id)))
    )
    for number, (level, lead_type, product) in enumerate(places):
        pointer = f"{prefix}/rates/{number}"
        if lead_type is not None and lead_type not in lead_types:
            yield _unknown_lead_type(f"{pointer}/lead_type")
        if product is not None and product not in products:
            yield FieldError(
                f"{pointer}/product_id", "unknown_product", "no such product is registered"
            )
        if (first := places.index((level, lead_type, product))) < number:
            yield FieldError(pointer, "repeated_rate", f"is for the same as rate {first}")
    for level in EngagementLevel:
        if (level, None, None) not in places:
            yield FieldError(
                f"{prefix}/rates",
                "missing_level_rate",
                f"needs a rate for {level} alone, without lead_type and product_id",
            )
    for number, lead_type in enumerate(card.duplicates_charged_for):
        pointer = f"{prefix}/duplicates_charged_for/{number}"
        if lead_type not in lead_types:
            yield _unknown_lead_type(pointer)
        if card.duplicates_charged_for.index(lead_type) < number:
            yield FieldError(pointer, "repeated_lead_type", "stands there already")


def with_known_lead_types(session: Session, card: Card) -> Card:
    """The card with its lead types spelled as they are known; an unknown one stays as it is."""
    rates = card.rates or []
    named = {rate.lead_type for rate in rates if rate.lead_type is not None}
    names = lead_types_named(session, named.union(card.duplicates_charged_for))

    def spelled(lead_type: str | None) -> str | None:
        return names.get(lead_type or "", lead_type)

    update = {
        "rates": card.rates
        and [rate.model_copy(update={"lead_type": spelled(rate.lead_type)}) for rate in rates],
        "duplicates_charged_for": [spelled(named) for named in card.duplicates_charged_for],
    }
    return card.model_copy(update=update)


def _is_known(session: Session, customer_id: UUID) -> bool:
    return bool(session.scalar(select(exists().where(Customer.customer_id == customer_id))))


def unknown_customer(pointer: str) -> FieldError:
    return FieldError(pointer, "unknown_customer", "no such customer is registered")


def _unknown_lead_type(pointer: str) -> FieldError:
    return FieldError(pointer, "unknown_lead_type", "is none of the known lead types")


def is_of(customer_id: UUID | None) -> ColumnElement[bool]:
    return RateCard.customer_id.is_not_distinct_from(customer_id)


_PERIOD_BEGINS_AT = text(load_statement("rating", "period_begins_at"))
_FIRST_PRICED_PERIOD = text(load_statement("rating", "first_priced_period"))


def _require_timely(
    session: Session, customer_id: UUID | None, period: Period, now: datetime
) -> None:
    """Raises Conflict for a card that would change the price of anything that is billed so far.

    docs/billing-rules.md, Price.
    """
    closed = exists().where(Customer.closed_through >= period.start)
    if customer_id is not None:
        closed = closed.where(Customer.customer_id == customer_id)
    if session.scalar(select(closed)):
        raise _untimely("period_closed", f"{period} is closed by a final report")
    begins_at = session.execute(
        _PERIOD_BEGINS_AT,
        {"period": period.start, "customer_id": customer_id and str(customer_id)},
    ).scalar_one()
    if begins_at > now:
        return
    if customer_id is None:
        raise _untimely("period_begun", f"{period} has begun")
    first = session.scalar(
        _FIRST_PRICED_PERIOD, {"period": period.start, "customer_id": str(customer_id)}
    )
    if first is not None:
        raise _untimely(
            "period_has_actions",
            f"{period} has begun, and actions of {Period(first)} would change their price",
        )


def _untimely(code: str, reason: str) -> Conflict:
    return Conflict(
        f"{reason}; a rate card takes effect at the start of a month that has not begun, a "
        "customer's own also of an open one in which it prices no actions yet",
        [FieldError("/valid_from", code, "must be a month that has not begun")],
    )
