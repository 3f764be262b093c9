"""/console/rate-cards: every version; /console/rate-card: one of them."""

from functools import partial
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse

from common.catalog.customers import get_customer
from common.rating import rate_cards
from common.rating.rate_cards import get_rate_card
from common.request_model import Id
from services.reports.api.dependencies import Cursor, Snapshot
from services.reports.api.pagination import CARDS
from services.reports.console.pages import list_page, page
from services.reports.console.rate_card_terms import SCOPES, prices_by_level, specific_rates
from services.reports.http.routes import Router

router = Router()

VERSIONS_A_PAGE = 50


@router.get("/console/rate-cards", response_class=HTMLResponse)
def list_rate_cards(
    request: Request,
    session: Snapshot,
    customer_id: Id | None = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """Every version: of the default card, then of each customer's own, newest first."""
    find = partial(rate_cards.list_rate_cards, session, customer_id)
    return list_page(
        request,
        "rate_cards.html",
        "Rate cards",
        CARDS.page(find, cursor, VERSIONS_A_PAGE, customer_id),
        ["customer_id"],
        customer=None if customer_id is None else get_customer(session, customer_id),
        base=prices_by_level,
    )


@router.get("/console/rate-card", response_class=HTMLResponse)
def show_rate_card(
    request: Request, session: Snapshot, id: UUID, saved: bool = False
) -> HTMLResponse:
    """One version with all its rates."""
    card = get_rate_card(session, id)
    return page(
        request,
        "rate_card.html",
        "Rate cards",
        card=card,
        base=prices_by_level(card),
        special=specific_rates(card),
        scopes=SCOPES,
        saved=saved,
    )
