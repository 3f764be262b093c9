"""A rate card as a caller proposes it."""

import re
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from common import identifiers
from common.billing_period import PERIOD_PATTERN, Period
from common.enums import EngagementLevel
from common.rating.models import DISPUTE_WINDOW_DAYS
from common.request_model import MAX_TEXT_LENGTH, NO_NUL, Id, Level, Name, RequestModel

MAX_RATES = 1_000
MAX_CENTS = 100_000_000
MAX_DISPUTE_WINDOW_DAYS = 3_650
_AMOUNT = re.compile(r"([0-9]{1,7})\.([0-9]{2})")
_BY_LEVEL = {level.lower(): level for level in EngagementLevel}


def _amount(text: str) -> str:
    match = _AMOUNT.fullmatch(text)
    if match is None or int(match[1] + match[2]) > MAX_CENTS:
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
_Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=NO_NUL)]


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

    name: Name | None = None
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
            max_length=MAX_RATES,
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
            max_length=MAX_RATES,
            description="Lead types whose actions repeat nothing: each is charged.",
        ),
    ]
    dispute_window_days: Annotated[
        int | None,
        Field(
            strict=True,
            ge=0,
            le=MAX_DISPUTE_WINDOW_DAYS,
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


class NewCard(ProposedCard):
    """A new version: of the default card, or of one customer's own where it names one."""

    name: Name
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
