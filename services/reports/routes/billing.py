"""/billing: the list of reports, and each one in full."""

from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from common import queries
from common.billing import Period, Totals
from common.catalog import customer
from common.identifiers import customer_id as uuid_of
from common.queries import Entry, LineKey, Scope
from common.reports import draft_report
from services.reports.documents import entry_document
from services.reports.formats import FORMATS, chosen_format, split_extension
from services.reports.paging import from_cursor, to_cursor
from services.reports.requests import Cursor, Id, PageSize, Range, Snapshot, period_of
from services.reports.schemas import ReportListShape, ReportShape

router = APIRouter(prefix="/billing", tags=["billing"])

MOST_LINES = 10_000
LinesPerPage = Annotated[
    int, Query(ge=1, le=MOST_LINES, description="Lines a page; JSON only, files hold them all.")
]


class EntryKey(NamedTuple):
    """Where an entry stands in the list."""

    period: str
    customer_id: str


@router.get("/reports", response_model=None, responses={200: {"model": ReportListShape}})
def list_reports(
    connection: Snapshot,
    within: Annotated[Range, Depends()],
    customer_id: Id | None = None,
    period: str | None = None,
    status: Literal["draft", "final"] | None = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """One entry per customer and month, newest first, and the totals over all of them.

    With `from` or `to`, totals cover only the lines inside that range, each still decided over
    its whole month.
    """
    entries = find_entries(
        connection,
        within,
        customer_id=customer_id,
        period=None if period is None else period_of(period),
        status=status,
    )
    overall = Totals()
    for entry in entries:
        overall = overall.plus(entry.totals)
    if cursor is not None:
        last = from_cursor(cursor, EntryKey)
        entries = [entry for entry in entries if _is_behind(entry, last)]
    page = entries[:limit]
    return {
        "data": [entry_document(entry) for entry in page],
        "totals": overall.document(),
        "next_cursor": to_cursor(_key(page[-1])) if len(entries) > limit else None,
    }


def find_entries(
    connection: Snapshot,
    within: Range,
    *,
    customer_id: str | None = None,
    period: Period | None = None,
    status: str | None = None,
) -> list[Entry]:
    """The list of reports, newest first, that fit every filter given."""
    if status == "final":
        return []  # no period has been closed yet
    pairs = queries.active_periods(
        connection,
        None if customer_id is None else uuid_of(customer_id),
        within.start if period is None else period.start,
        within.end if period is None else period.end,
    )
    return queries.entries(connection, Scope(pairs, start=within.start, end=within.end))


@router.get(
    "/reports/{customer_id:id}/{period}",
    response_model=None,
    responses={
        200: {
            "model": ReportShape,
            "content": {offered.media_type.partition(";")[0]: {} for offered in FORMATS},
        }
    },
)
def show_report(
    connection: Snapshot,
    customer_id: Id,
    period: str,
    accept: Annotated[str | None, Header()] = None,
    limit: LinesPerPage = 1_000,
    cursor: Cursor = None,
) -> StreamingResponse:
    """The whole report of a customer's month ("2024-04"), with every line explained.

    As JSON, or by an extension or the Accept header as CSV or HTML. JSON comes with `limit` lines
    and a `next_cursor`; its totals and breakdowns always cover the whole month.
    """
    month, extension = split_extension(period)
    form = chosen_format(extension, accept)
    whose = customer(connection, customer_id)
    after = None if cursor is None else from_cursor(cursor, LineKey)
    report, next_page = draft_report(
        connection,
        whose,
        period_of(month),
        after=after,
        most=limit if form.pages else None,
    )
    if next_page is not None:
        report.next_cursor = to_cursor(next_page)
    filename = f"{whose.external_id}-{month}.{form.extension}"
    return StreamingResponse(
        form.render(report),
        media_type=form.media_type,
        headers={"Content-Disposition": f"inline; filename*=UTF-8''{quote(filename, safe='')}"},
    )


def report_link(entry: Entry) -> str:
    """The address of an entry's report, without extension."""
    return f"/billing/reports/{quote(entry.customer, safe='')}/{Period(entry.period)}"


def _key(entry: Entry) -> EntryKey:
    return EntryKey(str(Period(entry.period)), entry.customer)


def _is_behind(entry: Entry, last: EntryKey) -> bool:
    place = _key(entry)
    return place.period < last.period or (
        place.period == last.period and place.customer_id > last.customer_id
    )
