"""The console: pages for the billing person, each made of what the API gives too.

Invariant: a page's address takes ids in its query, so that every page of a kind stands at the same
depth and any id can be linked to; a form is answered by sending the browser on (303).
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
