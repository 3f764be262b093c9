"""The console: pages for the billing person, from the same functions as the API.

Invariant: an address of a page has ids in its query, so that all addresses have the same depth and
every id can be linked; a form that was saved is answered by a redirect (303).
"""

from fastapi import APIRouter

from services.reports.console import (
    audit,
    close,
    customers,
    disputes,
    keys,
    leads,
    overview,
    products,
    quarantine,
    rate_card_editor,
    rate_cards,
    reports,
    runs,
    sign_in,
    statement,
)

router = APIRouter(include_in_schema=False)
for pages in (
    overview,
    reports,
    leads,
    quarantine,
    customers,
    products,
    rate_cards,
    rate_card_editor,
    close,
    runs,
    disputes,
    statement,
    sign_in,
    keys,
    audit,
):
    router.include_router(pages.router)
