"""/rate-cards, and what a proposed one would change: /billing/simulations."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from common.billing_period import Period
from common.rating import rate_cards
from common.rating.rate_cards import add_rate_card
from common.rating.schemas import CardKey, Month, NewCard, ProposedCard
from common.rating.simulation import simulate
from common.request_model import Id as WireId
from common.request_model import RequestModel
from services.reports.api.dependencies import Cursor, Id, Now, PageSize, Snapshot, Transaction
from services.reports.api.documents import rate_card_document, simulation_document
from services.reports.api.pagination import from_cursor, to_cursor
from services.reports.api.schemas import RateCardListShape, RateCardVersionShape, SimulationShape

router = APIRouter(tags=["rate cards"])

MAX_CUSTOMERS = 1_000


class SimulationBody(RequestModel):
    """A card to try on a month's stored actions; for named customers, or as the default card."""

    period: Month
    rate_card: ProposedCard
    customer_id: WireId | None = None
    customer_ids: Annotated[list[WireId], Field(min_length=1, max_length=MAX_CUSTOMERS)] | None = (
        None
    )

    @field_validator("customer_ids")
    @classmethod
    def _only_one_way(cls, ids: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if ids is not None and info.data.get("customer_id") is not None:
            raise PydanticCustomError(
                "ambiguous_customers", "must not stand beside customer_id: send one of them"
            )
        return ids

    def customers(self) -> list[tuple[str, str]] | None:
        """The named customers with their pointers; None where none was named."""
        if self.customer_id is not None:
            return [(self.customer_id, "/customer_id")]
        if self.customer_ids is None:
            return None
        return [(name, f"/customer_ids/{place}") for place, name in enumerate(self.customer_ids)]


@router.get("/rate-cards", response_model=None, responses={200: {"model": RateCardListShape}})
def list_rate_cards(
    connection: Snapshot,
    customer_id: Id | None = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Every version there ever was: of the default card, then of each customer's, newest first.

    In a month, the customer's own card with the latest `valid_from` up to it is in force, of those
    with the same one the newest version; without any, the default card by the same rule.
    """
    after = None if cursor is None else from_cursor(cursor, CardKey)
    found = rate_cards.list_rate_cards(connection, customer_id, after, limit + 1)
    page = [rate_card_document(card) for card in found[:limit]]
    last = page[-1] if len(found) > limit else None
    return {
        "data": page,
        "next_cursor": last and to_cursor(CardKey(last["customer_id"] or "", last["version"])),
    }


@router.post(
    "/rate-cards",
    status_code=201,
    response_model=None,
    responses={201: {"model": RateCardVersionShape}},
)
def post_rate_card(connection: Transaction, now: Now, body: NewCard) -> dict[str, Any]:
    """A new version of the default card, or of one customer's own; versions are never edited.

    It takes effect at the start of a month that has not begun for anyone it prices. Of the rates
    that fit an action the most specific one counts: product and lead type, then product, then lead
    type, then the level alone, which every card must price for each level. `expected_version`
    tells you when somebody else has added a version since you looked.
    """
    return rate_card_document(add_rate_card(connection, body, now))


@router.post(
    "/billing/simulations", response_model=None, responses={200: {"model": SimulationShape}}
)
def simulate_rate_card(connection: Snapshot, body: SimulationBody) -> dict[str, Any]:
    """What a month's stored actions cost now, and would cost on a proposed card.

    Nothing is written, and the same statement decides as for a bill. The card is tried on the
    named customers as their own; where none is named, as the default card on everyone with actions
    in that month, and those with a card of their own stay on it (`is_repriced`: false). A closed
    month is decided anew from its stored actions.
    """
    period = Period.parse(body.period)
    return simulation_document(
        str(period), simulate(connection, period, body.rate_card, body.customers())
    )
