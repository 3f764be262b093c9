"""Whether a proposed rate card is complete, names known things and takes effect in time."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select, text
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import Period
from common.catalog.models import Customer, LeadType, Product
from common.catalog.products import is_shown
from common.database.locks import lock_customer, lock_default_rate_card
from common.database.sql_loader import load_statement
from common.enums import EngagementLevel
from common.problems import Conflict, FieldError, Invalid
from common.rating.models import RateCard
from common.rating.schemas import NewCard, ProposedCard


def require_addable(session: Session, card: NewCard, now: datetime) -> int:
    """Raises what `add_card` raises; the newest version that the card's would come behind.

    Holds the card's versions as they are until the transaction ends.
    """
    customer_id = owner_of(card)
    errors = list(_errors(session, card, ""))
    if customer_id is not None and not _is_known(session, customer_id):
        errors.insert(0, _unknown_customer("/customer_id"))
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
    _require_future(session, customer_id, Period.parse(card.valid_from), now)
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
    places = [rate.place() for rate in card.required_rates()]
    lead_types = _known_lead_types(session, card)
    products = _known_products(session, [product for _, _, product in places if product])
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


def _known_lead_types(session: Session, card: ProposedCard) -> set[str]:
    named = {rate.lead_type for rate in card.required_rates() if rate.lead_type is not None}
    named.update(card.duplicates_charged_for)
    return set(
        session.scalars(select(LeadType.lead_type).where(LeadType.lead_type.in_(named)))
        if named
        else []
    )


def _known_products(session: Session, named: list[UUID]) -> set[UUID]:
    return set(
        session.scalars(
            select(Product.product_id).where(
                Product.product_id.in_(named), is_shown(Product.product_id)
            )
        )
        if named
        else []
    )


def _is_known(session: Session, customer_id: UUID) -> bool:
    return bool(session.scalar(select(exists().where(Customer.customer_id == customer_id))))


def _unknown_customer(pointer: str) -> FieldError:
    return FieldError(pointer, "unknown_customer", "no such customer is registered")


def _unknown_lead_type(pointer: str) -> FieldError:
    return FieldError(pointer, "unknown_lead_type", "is none of the known lead types")


def is_of(customer_id: UUID | None) -> ColumnElement[bool]:
    return RateCard.customer_id.is_not_distinct_from(customer_id)


_PERIOD_BEGINS_AT = text(load_statement("rating", "period_begins_at"))


def _require_future(
    session: Session, customer_id: UUID | None, period: Period, now: datetime
) -> None:
    closed = exists().where(Customer.closed_through >= period.start)
    if customer_id is not None:
        closed = closed.where(Customer.customer_id == customer_id)
    if session.scalar(select(closed)):
        raise _untimely("period_closed", f"{period} is closed by a final report")
    begins_at = session.execute(
        _PERIOD_BEGINS_AT,
        {"period": period.start, "customer_id": customer_id and str(customer_id)},
    ).scalar_one()
    if begins_at <= now:
        raise _untimely("period_begun", f"{period} has begun")


def _untimely(code: str, reason: str) -> Conflict:
    return Conflict(
        f"{reason}, and a rate card takes effect at the start of a month that has not",
        [FieldError("/valid_from", code, "must be a month that has not begun")],
    )
