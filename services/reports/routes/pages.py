"""/: the list of reports as a page."""

from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from common.billing import Period, Totals
from services.reports.render.as_html import pages
from services.reports.requests import Range, Snapshot
from services.reports.routes.billing import find_entries, report_link

router = APIRouter(include_in_schema=False)

MOST_ENTRIES = 200


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry as the page shows it."""

    period: Period
    customer_name: str
    timezone: str
    totals: Totals
    link: str


@router.get("/", response_class=HTMLResponse)
def list_reports(connection: Snapshot) -> HTMLResponse:
    """Every customer's months, newest first."""
    entries = find_entries(connection, Range())
    rows = [
        EntryRow(
            Period(entry.period),
            entry.customer_name,
            entry.timezone,
            entry.totals,
            report_link(entry),
        )
        for entry in entries[:MOST_ENTRIES]
    ]
    page = pages().get_template("reports.html")
    return HTMLResponse(page.render(entries=rows, is_cut=len(entries) > MOST_ENTRIES))
