"""The console: pages for the billing person, each made of what the API gives too.

Invariant: a page's address takes ids in its query, so that every page of a kind stands at the same
depth and any id can be linked to; a form is answered by sending the browser on (303).
"""

from fastapi import APIRouter

from services.reports.console import (
    account,
    catalog,
    closing,
    disputes,
    leads,
    overview,
    quarantine,
    rate_cards,
    reports,
    statement,
)

router = APIRouter(include_in_schema=False)
for pages in (
    overview,
    reports,
    leads,
    quarantine,
    catalog,
    rate_cards,
    closing,
    disputes,
    statement,
    account,
):
    router.include_router(pages.router)
