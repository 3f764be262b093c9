"""/billing/reports: the list of reports, each one in full, and its verification."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from common import identifiers
from common.closing.verification import verify_report
from common.enums import ReportStatus, Role
from common.money import amount
from common.problems import Forbidden, NotFound
from common.rating.totals import sum_of
from common.reports.listing import EntryFilter, EntryKey, entries_after, key_of, list_entries
from common.reports.months import find_month
from common.request_model import Id
from services.reports.api.dependencies import Cursor, PageSize, Range, Snapshot, period_of
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.api.schemas.reports import Report, ReportEntry, ReportList
from services.reports.api.schemas.totals import Totals
from services.reports.api.schemas.verification import Verification
from services.reports.console.report_page import report_page
from services.reports.http.authorization import principal_of
from services.reports.http.content_negotiation import FORMATS, chosen_format, split_extension
from services.reports.render.masking import with_masked_users
from services.reports.report_loader import load_report

router = APIRouter(prefix="/billing/reports", tags=["reports"])

MAX_LINES = 10_000
LinesPerPage = Annotated[
    int, Query(ge=1, le=MAX_LINES, description="Lines a page; JSON only, files hold them all.")
]


def unmasked_for_admins(
    request: Request,
    unmasked: Annotated[
        bool,
        Query(
            description="CSV and PDF, for an admin: with the users' emails and phone numbers "
            "in full."
        ),
    ] = False,
) -> bool:
    """Whether to show users unmasked. Raises Forbidden for all but admins."""
    if unmasked and principal_of(request).role is not Role.ADMIN:
        raise Forbidden("`unmasked` takes an admin's key")
    return unmasked


Unmasked = Annotated[bool, Depends(unmasked_for_admins)]


@router.get("")
def list_reports(
    session: Snapshot,
    within: Annotated[Range, Depends()],
    customer_id: Id | None = None,
    period: str | None = None,
    status: ReportStatus | None = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> ReportList:
    """One entry per customer and month, newest first, and the totals over all of them.

    `totals` are of each month's own lines; `due` is with prior-period lines and less credits. With
    `from` or `to`, totals cover only the lines inside that range, each still rated over its whole
    month, and `due` is null.
    """
    entries = list_entries(
        session,
        EntryFilter(
            customer_id=None if customer_id is None else identifiers.customer_id(customer_id),
            period=None if period is None else period_of(period),
            status=status,
            start=within.start,
            end=within.end,
        ),
    )
    is_whole = within.start is None and within.end is None
    due_cents = sum(entry.due_cents or 0 for entry in entries)
    after = None if cursor is None else from_cursor(cursor, EntryKey)
    page, last = cut_page(entries_after(entries, after), limit)
    return ReportList(
        data=[ReportEntry.from_entry(entry) for entry in page],
        totals=Totals.from_totals(sum_of(entry.totals for entry in entries)),
        due=amount(due_cents) if is_whole else None,
        next_cursor=last and to_cursor(key_of(last)),
    )


# Before the report's own route, whose customer id may hold slashes.
@router.get("/{customer_id:path}/{period}/verify")
def verify(session: Snapshot, customer_id: Id, period: str) -> Verification:
    """Hashes a final report again, from its stored lines and once more from the raw actions.

    Says which lines were tampered with, by number, lead and action.
    """
    month = find_month(session, customer_id, period_of(period))
    if month.final is None:
        raise NotFound(f"{customer_id!r} has no final report of {period}; only those are verified")
    verification = verify_report(session, month.final)
    return Verification.from_verification(month.customer.external_id, month.final, verification)


@router.get(
    "/{customer_id:id}/{period}",
    response_model=None,  # it is streamed; tests hold each answer against the schema
    responses={
        200: {
            "model": Report,
            "content": {offered.media_type.partition(";")[0]: {} for offered in FORMATS},
        }
    },
)
def show_report(
    request: Request,
    session: Snapshot,
    customer_id: Id,
    period: str,
    unmasked: Unmasked,
    accept: Annotated[str | None, Header()] = None,
    limit: LinesPerPage = 1_000,
    cursor: Cursor = None,
) -> StreamingResponse:
    """The whole report of a customer's month ("2024-04"), with every line explained.

    As JSON, or by an extension or the Accept header as CSV, HTML or PDF. JSON comes with `limit`
    lines and a `next_cursor`; its totals and breakdowns always cover the whole month. CSV and PDF
    mask the users' emails and phone numbers, unless an admin asks for them `unmasked`.
    """
    period, extension = split_extension(period)
    form = chosen_format(extension, accept)
    month = find_month(session, customer_id, period_of(period))
    if form.render is None:
        content = report_page(request, session, month)
    else:
        most = limit if form.pages else None
        report = load_report(session, month, cursor=cursor, most=most)
        if form.masks and not unmasked:
            report = with_masked_users(report)
        content = form.render(report)
    filename = f"{month.customer.external_id}-{month.period}.{form.extension}"
    return StreamingResponse(
        content,
        media_type=form.media_type,
        headers={"Content-Disposition": f"inline; filename*=UTF-8''{quote(filename, safe='')}"},
    )
