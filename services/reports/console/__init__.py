"""The console: pages for the billing person, from the same functions as the API.

Invariant: an address of a page has ids in its query, so that all addresses have the same depth and
every id can be linked; a form that was saved is answered by a redirect (303).
"""

from services.reports.console import (
    audit,
    catalog,
    close,
    deliveries,
    disputes,
    exports,
    imports,
    keys,
    leads,
    overview,
    people,
    quarantine,
    rate_card_editor,
    rate_cards,
    report_groups,
    reports,
    runs,
    search,
    sign_in,
    statement,
    voiding,
    webhooks,
)
from services.reports.http.routes import Router

router = Router(include_in_schema=False)
for pages in (
    overview,
    search,
    reports,
    report_groups,
    leads,
    people,
    voiding,
    imports,
    exports,
    quarantine,
    catalog,
    rate_cards,
    rate_card_editor,
    close,
    runs,
    deliveries,
    disputes,
    statement,
    sign_in,
    keys,
    webhooks,
    audit,
):
    router.include_router(pages.router)
