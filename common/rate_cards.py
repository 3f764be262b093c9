"""Rate cards: what a caller proposes, the versions that are stored, and their history.

Invariant: a version is never edited, and takes effect at the start of a month that has not begun
yet (rules.md, 2), so no month is ever priced by two cards.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError, to_json
from sqlalchemy import ColumnElement, Connection, exists, func, insert, select, text, tuple_
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import PERIOD_PATTERN, Period
from common.enums import CapScope, EngagementLevel
from common.models import BillingReport, ChargedDuplicates, Customer, LeadType, Product, RateCard
from common.models import Rate as StoredRate
from common.problems import Conflict, FieldError, Invalid, NotFound, Unpriced
from common.request_model import LONGEST_TEXT, NO_NUL, Id, Level, RequestModel

MOST_RATES = 1_000
MOST_CENTS = 100_000_000
DISPUTE_WINDOW_DAYS = 60
LONGEST_DISPUTE_WINDOW_DAYS = 3_650

_AMOUNT = re.compile(r"([0-9]{1,7})\.([0-9]{2})")
_BY_LEVEL = {level.lower(): level for level in EngagementLevel}


def _amount(text: str) -> str:
    match = _AMOUNT.fullmatch(text)
    if match is None or int(match[1] + match[2]) > MOST_CENTS:
        raise PydanticCustomError(
            "invalid_amount", 'must be a decimal such as "15.00", from "0.00" to "1000000.00"'
        )
    return text


def _month(text: str) -> str:
    try:
        return str(Period.parse(text))
    except ValueError as error:
        reason = str(error)
    raise PydanticCustomError("invalid_period", "{reason}", {"reason": reason})


Amount = Annotated[
    str,
    AfterValidator(_amount),
    Field(
        description="Two decimal places, 0.00 to 1000000.00.",
        examples=["15.00"],
        json_schema_extra={"pattern": r"^0?[0-9]{1,6}\.[0-9]{2}$|^1000000\.00$"},
    ),
]
Month = Annotated[
    str,
    AfterValidator(_month),
    Field(examples=["2024-05"], json_schema_extra={"pattern": PERIOD_PATTERN}),
]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=NO_NUL)]
_Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_TEXT, pattern=NO_NUL),
]


class ProposedRate(RequestModel):
    """One price: of a level alone, or of a level for a lead type, a product, or both."""

    engagement_level: Level
    amount: Amount
    lead_type: _Text | None = None
    product_id: Id | None = None

    def place(self) -> tuple[EngagementLevel, str | None, UUID | None]:
        """What the rate is for."""
        product = None if self.product_id is None else identifiers.product_id(self.product_id)
        return _BY_LEVEL[self.engagement_level], self.lead_type, product


class ProposedCap(RequestModel):
    """The most that is billed in a month for each user, or each user and product."""

    amount: Amount
    scope: Literal["user", "user_and_product"] = "user"


class ProposedCard(RequestModel):
    """Prices and cap. Each level needs a rate by itself, so that no action is without a price.

    A customer's card that follows the default one holds none of it.
    """

    name: _Name | None = None
    currency: Literal["USD"] = "USD"
    follows_default: Annotated[
        bool,
        Field(
            strict=True,
            description="The default card prices this customer again; no rates, no cap.",
        ),
    ] = False
    rates: Annotated[
        list[ProposedRate] | None,
        Field(
            min_length=1,
            max_length=MOST_RATES,
            validate_default=True,
            description="Required, unless it follows the default card.",
        ),
    ] = None
    cap: Annotated[
        ProposedCap | None,
        Field(validate_default=True, description="Required, unless it follows the default card."),
    ] = None
    duplicates_charged_for: Annotated[
        list[_Text],
        Field(
            default_factory=list,
            max_length=MOST_RATES,
            description="Lead types whose actions repeat nothing: each is charged.",
        ),
    ]
    dispute_window_days: Annotated[
        int | None,
        Field(
            strict=True,
            ge=0,
            le=LONGEST_DISPUTE_WINDOW_DAYS,
            description="How long the lines of a final report can be disputed, from its closing "
            f"on; {DISPUTE_WINDOW_DAYS} unless given.",
        ),
    ] = None

    @field_validator("rates", "cap", "duplicates_charged_for", "dispute_window_days")
    @classmethod
    def _fits_what_it_follows(cls, value: Any, info: ValidationInfo) -> Any:
        follows = info.data.get("follows_default")
        if follows and value:
            raise PydanticCustomError(
                "follows_default", "must not stand on a card that follows the default one"
            )
        if follows is False and value is None and info.field_name in {"rates", "cap"}:
            raise PydanticCustomError("missing", "is required")
        return value

    def required_rates(self) -> list[ProposedRate]:
        """None where it follows the default card."""
        return self.rates or []


class NewCard(ProposedCard):
    """A new version: of the default card, or of one customer's own where it names one."""

    name: _Name
    customer_id: Id | None = None
    valid_from: Annotated[Month, Field(description="The first month it prices.")]
    expected_version: Annotated[
        int | None,
        Field(
            strict=True,
            ge=0,
            le=2_147_483_647,
            description="The newest version you know of (0: none); the card is refused when there "
            "is another by now.",
        ),
    ] = None


class CardKey(NamedTuple):
    """Where a card stands in the history; the default card's owner is ""."""

    owner: Annotated[str, StringConstraints(pattern=NO_NUL)]
    version: int


def add_card(connection: Connection, card: NewCard, now: datetime) -> RateCard:
    """Stores a new version.

    Raises Invalid for a card that is incomplete or names what is not known, and Conflict when its
    first month has begun or is closed, or when somebody else added a version first.
    """
    newest = require_addable(connection, card, now)
    customer_id, period = _owner(card), Period.parse(card.valid_from)
    card_id = connection.execute(
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
    if card.rates:
        connection.execute(insert(StoredRate), [_row(rate, card_id) for rate in card.rates])
    if card.duplicates_charged_for:
        connection.execute(
            insert(ChargedDuplicates),
            [
                {"rate_card_id": card_id, "lead_type": lead_type}
                for lead_type in card.duplicates_charged_for
            ],
        )
    return Session(connection).get_one(RateCard, card_id)


def require_addable(connection: Connection, card: NewCard, now: datetime) -> int:
    """Raises what `add_card` raises; the newest version that the card's would come behind.

    Holds the card's versions as they are until the transaction ends.
    """
    customer_id = _owner(card)
    errors = list(_errors(connection, card, ""))
    if customer_id is not None and not _is_known(connection, customer_id):
        errors.insert(0, _unknown_customer("/customer_id"))
    if customer_id is None and card.follows_default:
        errors.append(
            FieldError("/follows_default", "customer_needed", "only a customer's card can follow")
        )
    if errors:
        raise Invalid("the rate card was refused", errors)
    _lock(connection, customer_id)
    newest = connection.scalar(select(func.max(RateCard.version)).where(_is_of(customer_id))) or 0
    if card.expected_version not in {None, newest}:
        raise Conflict(
            f"the newest version of this rate card is {newest}: somebody else has changed it",
            [
                FieldError(
                    "/expected_version", "version_conflict", f"the newest version is {newest}"
                )
            ],
        )
    _require_future(connection, customer_id, Period.parse(card.valid_from), now)
    return newest


def _owner(card: NewCard) -> UUID | None:
    return None if card.customer_id is None else identifiers.customer_id(card.customer_id)


def require_sound(connection: Connection, card: ProposedCard, prefix: str) -> None:
    """Raises Invalid for a card that is incomplete or names what is not known.

    `prefix`: the pointer at which the card stands in its request.
    """
    errors = list(_errors(connection, card, prefix))
    if errors:
        raise Invalid("the rate card was refused", errors)


def statement_parameter(connection: Connection, card: ProposedCard, period: Period) -> str:
    """The card as the deciding statement takes one in place of those in force: JSON.

    One that follows the default card is what that one is in the period. Raises Unpriced where
    there is none.
    """
    if card.follows_default:
        return _parameter_of_default(connection, period)
    terms = _terms(card)
    return to_json(
        {
            "cap_cents": terms["cap_cents"],
            "cap_scope": terms["cap_scope"],
            "duplicates_charged_for": card.duplicates_charged_for,
            "rates": [_row(rate) for rate in card.required_rates()],
        }
    ).decode()


def _parameter_of_default(connection: Connection, period: Period) -> str:
    query = (
        select(RateCard)
        .where(RateCard.customer_id.is_(None), RateCard.valid_from <= period.start)
        .order_by(RateCard.valid_from.desc(), RateCard.version.desc())
        .limit(1)
    )
    card = Session(connection).scalars(query).first()
    if card is None:
        raise Unpriced(f"no rate card is in force in {period}")
    return to_json(
        {
            "cap_cents": card.cap_cents,
            "cap_scope": card.cap_scope,
            "duplicates_charged_for": [each.lead_type for each in card.charged_duplicates],
            "rates": [
                {
                    "engagement_level": rate.engagement_level,
                    "lead_type": rate.lead_type,
                    "product_id": rate.product_id,
                    "amount_cents": rate.amount_cents,
                }
                for rate in card.rates
            ],
        }
    ).decode()


def newest(connection: Connection, customer_id: UUID | None) -> RateCard | None:
    """The newest version of a customer's own card, or of the default one, where there is one."""
    query = select(RateCard).where(_is_of(customer_id)).order_by(RateCard.version.desc()).limit(1)
    return Session(connection).scalars(query).first()


def numbered(connection: Connection, customer_id: UUID | None, number: int) -> RateCard | None:
    """One version by its number."""
    query = select(RateCard).where(_is_of(customer_id), RateCard.version == number)
    return Session(connection).scalars(query).first()


def version(connection: Connection, rate_card_id: UUID) -> RateCard:
    """One version by its id. Raises NotFound."""
    found = Session(connection).get(RateCard, rate_card_id)
    if found is None:
        raise NotFound(f"no rate card has the id {rate_card_id}")
    return found


def history(
    connection: Connection, customer_id: str | None, after: CardKey | None, most: int
) -> list[RateCard]:
    """At most `most` versions: the default card's, then each customer's, the newest first.

    With `customer_id` only that customer's own.
    """
    owner = func.coalesce(Customer.external_id, text("''"))
    query = (
        select(RateCard)
        .outerjoin(Customer, RateCard.customer_id == Customer.customer_id)
        .order_by(owner, RateCard.version.desc())
        .limit(most)
    )
    if customer_id is not None:
        query = query.where(RateCard.customer_id == identifiers.customer_id(customer_id))
    if after is not None:
        query = query.where(tuple_(owner, -RateCard.version) > (after.owner, -after.version))
    return list(Session(connection).scalars(query))


def _errors(connection: Connection, card: ProposedCard, prefix: str) -> Iterator[FieldError]:
    if card.follows_default:
        return
    places = [rate.place() for rate in card.required_rates()]
    lead_types = _known_lead_types(connection, card)
    products = _known_products(connection, [product for _, _, product in places if product])
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


def _known_lead_types(connection: Connection, card: ProposedCard) -> set[str]:
    named = {rate.lead_type for rate in card.required_rates() if rate.lead_type is not None}
    named.update(card.duplicates_charged_for)
    return set(
        connection.scalars(select(LeadType.lead_type).where(LeadType.lead_type.in_(named)))
        if named
        else []
    )


def _known_products(connection: Connection, named: list[UUID]) -> set[UUID]:
    return set(
        connection.scalars(select(Product.product_id).where(Product.product_id.in_(named)))
        if named
        else []
    )


def _is_known(connection: Connection, customer_id: UUID) -> bool:
    return bool(connection.scalar(select(exists().where(Customer.customer_id == customer_id))))


def _unknown_customer(pointer: str) -> FieldError:
    return FieldError(pointer, "unknown_customer", "no such customer is registered")


def _unknown_lead_type(pointer: str) -> FieldError:
    return FieldError(pointer, "unknown_lead_type", "is none of the known lead types")


def _is_of(customer_id: UUID | None) -> ColumnElement[bool]:
    return RateCard.customer_id.is_not_distinct_from(customer_id)


def _lock(connection: Connection, customer_id: UUID | None) -> None:
    """Versions of one card are added one after another.

    A customer's key is the one that closing its month takes, and changing its zone.
    """
    key = "the default rate card" if customer_id is None else str(customer_id)
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))


# The default card prices every customer, so its month has begun where it began first.
_BEGINS_AT = text(
    """
select min(first_midnight(cast(:month as date), timezone)) from (
    select timezone from customers
    where cast(:customer_id as uuid) is null or customer_id = :customer_id
    union
    select 'UTC' where cast(:customer_id as uuid) is null
) as zone
"""
)


def _require_future(
    connection: Connection, customer_id: UUID | None, period: Period, now: datetime
) -> None:
    closed = exists().where(BillingReport.period >= period.start)
    if customer_id is not None:
        closed = closed.where(BillingReport.customer_id == customer_id)
    if connection.scalar(select(closed)):
        raise _untimely("period_closed", f"{period} is closed by a final report")
    begins_at = connection.execute(
        _BEGINS_AT,
        {"month": period.start, "customer_id": customer_id and str(customer_id)},
    ).scalar_one()
    if begins_at <= now:
        raise _untimely("period_begun", f"{period} has begun")


def _untimely(code: str, reason: str) -> Conflict:
    return Conflict(
        f"{reason}, and a rate card takes effect at the start of a month that has not",
        [FieldError("/valid_from", code, "must be a month that has not begun")],
    )


def _terms(card: ProposedCard) -> dict[str, Any]:
    """What of a card stands in its own row, beside its rates."""
    terms: dict[str, Any] = {"dispute_window_days": card.dispute_window_days}
    if card.dispute_window_days is None:
        terms["dispute_window_days"] = DISPUTE_WINDOW_DAYS
    if card.cap is not None:
        terms |= {"cap_cents": _cents(card.cap.amount), "cap_scope": CapScope(card.cap.scope)}
    return terms


def _cents(amount: str) -> int:
    return int(amount.replace(".", ""))


def _row(rate: ProposedRate, card_id: UUID | None = None) -> dict[str, object]:
    level, lead_type, product = rate.place()
    return {
        "rate_card_id": card_id,
        "engagement_level": level,
        "lead_type": lead_type,
        "product_id": product,
        "amount_cents": _cents(rate.amount),
    }
