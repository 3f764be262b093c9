"""/rate-cards: every version, and adding one."""

from functools import partial

from common.catalog.filters import require_registered
from common.rating import rate_cards
from common.rating.schemas import NewCard
from common.request_model import Id
from services.reports.api.dependencies import Cursor, Now, PageSize, Snapshot, Transaction
from services.reports.api.pagination import CARDS
from services.reports.api.schemas.rate_cards import RateCard, RateCardList
from services.reports.http.routes import Router

router = Router(prefix="/rate-cards", tags=["rate cards"])


@router.get("")
def list_rate_cards(
    session: Snapshot,
    customer_id: Id | None = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> RateCardList:
    """All versions: the default card's, then each customer's, newest first.

    In a month, the customer's own card with the latest `valid_from` up to it is in force, of those
    with the same one the newest version; without any, the default card by the same rule.
    """
    require_registered(session, customer_id=customer_id)
    find = partial(rate_cards.list_rate_cards, session, customer_id)
    return CARDS.answer(RateCardList, find, cursor, limit, customer_id)


@router.post("", status_code=201)
def post_rate_card(session: Transaction, now: Now, body: NewCard) -> RateCard:
    """A new version of the default card, or of one customer's own; versions are never edited.

    It takes effect at the start of a month that has not begun for anyone it prices; a customer's
    own also of an open month in which it prices no actions yet, the current one too. Of the rates
    that fit an action the most specific one counts: product and lead type, then product, then lead
    type, then the level alone, which every card must price for each level. `expected_version`
    has a concurrent change refused with 409.
    """
    return RateCard.model_validate(rate_cards.add_rate_card(session, body, now))
