"""/billing/reports: the list of reports, each one in full, and its verification."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy.orm import Session

from common import identifiers
from common.catalog.filters import require_registered
from common.closing.verification import verify_report
from common.database.transactions import snapshot
from common.enums import EngagementLevel, Outcome, ReportStatus
from common.exports.jobs import ExportOrder
from common.exports.kinds import ExportFormat, ExportKind
from common.exports.one_report import find_or_order
from common.file_store.store import FileStoreMissing, file_store
from common.problems import AnswerTooLarge, Forbidden, NotFound
from common.rating.line import sum_of
from common.reports.line_search import LineSearch
from common.reports.listing import EntryFilter, entries_after, list_entries
from common.reports.months import Month, find_month
from common.request_model import Id
from common.settings import settings
from services.reports.api.dependencies import Cursor, Range, Snapshot, Text, period_of
from services.reports.api.dependencies import PageSize as EntriesPerPage
from services.reports.api.pagination import REPORTS
from services.reports.api.schemas.exports import ExportInstead
from services.reports.api.schemas.reports import (
    LeadPage,
    LinePage,
    PriorLinePage,
    Report,
    ReportEntry,
    ReportList,
    UserPage,
)
from services.reports.api.schemas.totals import Totals
from services.reports.api.schemas.verification import Verification
from services.reports.console.pages import frame_of, see_other
from services.reports.console.report_page import report_page
from services.reports.http.answer_limit import MAX_BYTES
from services.reports.http.authorization import principal_of
from services.reports.http.content_negotiation import (
    FORMATS,
    HTML,
    JSON,
    Format,
    chosen_format,
    prefers_page,
    split_extension,
)
from services.reports.http.routes import Router, require_known_parameters
from services.reports.http.spooled import Spooled
from services.reports.report_files import answered_file
from services.reports.report_pages import (
    lead_page,
    line_page,
    prior_line_page,
    report_header,
    user_page,
)

router = Router(prefix="/billing/reports", tags=["reports"])

MAX_PAGE = 1_000
PageSize = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Entries a page, at most.")]
LinesPerPage = Annotated[
    int, Query(ge=1, le=MAX_PAGE, description="Lines in the JSON; files hold them all.")
]
Part = Annotated[Text | None, Query(description="Any part of it, in upper or lower case.")]


def unmasked_if_allowed(
    request: Request,
    unmasked: Annotated[
        bool,
        Query(
            description="CSV, NDJSON and PDF, for an admin or a viewer+people: with the users' "
            "emails and phone numbers in full."
        ),
    ] = False,
) -> bool:
    """Whether to show users unmasked. Raises Forbidden for who may not see people."""
    if unmasked and not principal_of(request).sees_people:
        raise Forbidden("`unmasked` takes a key with the role admin or viewer+people")
    return unmasked


Unmasked = Annotated[bool, Depends(unmasked_if_allowed)]


@router.get("")
def list_reports(
    session: Snapshot,
    within: Annotated[Range, Depends()],
    customer_id: Id | None = None,
    period: str | None = None,
    status: ReportStatus | None = None,
    limit: EntriesPerPage = 50,
    cursor: Cursor = None,
) -> ReportList:
    """One entry per customer and month, newest first, and the totals over all of them.

    `totals` are of each month's own lines; `due` is with prior-period lines and credits. With
    `from` or `to`, totals cover only the lines inside that range, each still rated over its whole
    month, and `due` is null.
    """
    require_registered(session, customer_id=customer_id)
    filters = EntryFilter(
        customer_id=None if customer_id is None else identifiers.customer_id(customer_id),
        period=None if period is None else period_of(period),
        status=status,
        start=within.start,
        end=within.end,
    )
    entries = list_entries(session, filters)
    is_whole = within.start is None and within.end is None
    due_cents = sum(entry.due_cents or 0 for entry in entries)
    page, next_cursor = REPORTS.page(
        lambda after, _: entries_after(entries, after), cursor, limit, filters
    )
    return ReportList(
        data=[ReportEntry.from_entry(entry) for entry in page],
        totals=Totals.model_validate(sum_of(entry.totals for entry in entries)),
        due=due_cents if is_whole else None,
        next_cursor=next_cursor,
    )


# Before the report's own route, whose customer id may hold slashes.
@router.get("/{customer_id:id}/{period}/verify")
def verify(session: Snapshot, customer_id: Id, period: str) -> Verification:
    """Hashes a final report again, from its stored lines and once more from the raw actions.

    Says which lines were tampered with, by number, lead and action.
    """
    month = find_month(session, customer_id, period_of(period), counts_doubts=False)
    if month.final is None:
        raise NotFound(f"{customer_id!r} has no final report of {period}; only those are verified")
    verification = verify_report(session, month.final)
    return Verification.from_verification(month.customer.external_id, month.final, verification)


@router.get("/{customer_id:id}/{period}/lines")
def list_lines(
    session: Snapshot,
    customer_id: Id,
    period: str,
    product_id: Id | None = None,
    lead_type: Text | None = None,
    user: Part = None,
    lead: Part = None,
    engagement_level: EngagementLevel | None = None,
    outcome: Outcome | None = None,
    limit: PageSize = MAX_PAGE,
    cursor: Cursor = None,
) -> LinePage:
    """The lines of a customer's month, in canonical order; without its prior-period lines.

    A month is rated as a whole before a filter applies. A cursor of a draft goes on in the final
    report. A page holds fewer lines than `limit` where their texts are very long.
    """
    search = LineSearch(product_id, lead_type, user, lead, engagement_level, outcome)
    require_registered(session, product_id=product_id, lead_type=lead_type)
    month = find_month(session, customer_id, period_of(period), counts_doubts=False)
    return line_page(session, month, search, cursor, limit)


@router.get("/{customer_id:id}/{period}/prior-lines")
def list_prior_lines(
    session: Snapshot,
    customer_id: Id,
    period: str,
    limit: PageSize = MAX_PAGE,
    cursor: Cursor = None,
) -> PriorLinePage:
    """The prior-period lines of a report, by their own month and in canonical order."""
    month = find_month(session, customer_id, period_of(period), counts_doubts=False)
    return prior_line_page(session, month, cursor, limit)


@router.get("/{customer_id:id}/{period}/users")
def list_users(
    session: Snapshot,
    customer_id: Id,
    period: str,
    user: Part = None,
    limit: PageSize = MAX_PAGE,
    cursor: Cursor = None,
) -> UserPage:
    """What each user of a customer's month comes to, the largest first."""
    month = find_month(session, customer_id, period_of(period), counts_doubts=False)
    return user_page(session, month, LineSearch(user=user), cursor, limit)


@router.get("/{customer_id:id}/{period}/leads")
def list_leads_of_report(
    session: Snapshot,
    customer_id: Id,
    period: str,
    product_id: Id | None = None,
    lead_type: Text | None = None,
    user: Part = None,
    lead: Part = None,
    limit: PageSize = MAX_PAGE,
    cursor: Cursor = None,
) -> LeadPage:
    """What each lead of a customer's month comes to, the largest first."""
    require_registered(session, product_id=product_id, lead_type=lead_type)
    month = find_month(session, customer_id, period_of(period), counts_doubts=False)
    search = LineSearch(product_id, lead_type, user, lead)
    return lead_page(session, month, search, cursor, limit)


@router.get(
    "/{customer_id:id}/{period}",
    response_model=None,  # it is one of several formats; tests hold the JSON against the schema
    responses={
        200: {
            "model": Report,
            "content": {offered.media_type.partition(";")[0]: {} for offered in FORMATS},
        },
        303: {
            "model": ExportInstead,
            "description": "The file is too large to be answered: `Location` is an export of it.",
        },
    },
)
def show_report(
    request: Request,
    customer_id: Id,
    period: str,
    unmasked: Unmasked,
    accept: Annotated[str | None, Header()] = None,
    limit: LinesPerPage = MAX_PAGE,
) -> Response:
    """The report of a customer's month ("2024-04"), with every line explained.

    As JSON, or by an extension or the Accept header as CSV, NDJSON, HTML or PDF. JSON holds totals
    and breakdowns of the whole month, the largest 100 users and leads, and the first `limit` lines;
    its cursors go on at `/lines`, `/users`, `/leads` and `/prior-lines`. The files mask the users'
    emails and phone numbers, unless an admin or a viewer+people asks for them `unmasked`. A file
    that is too large for an answer is made as an export: 303 leads there, for the same request to
    the same one.
    """
    period, extension = split_extension(period)
    form = chosen_format(extension, accept)
    if form is not HTML:  # its page checks the filters that it has
        require_known_parameters(request, {"limit", "unmasked"})
    with snapshot() as session:
        month = find_month(session, customer_id, period_of(period))
        try:
            content = _content(request, session, month, form, limit, unmasked=unmasked)
        except AnswerTooLarge:
            if form in {HTML, JSON}:
                raise
            order = ExportOrder(
                ExportKind.REPORT,
                ExportFormat(form.extension),
                month.period.start,
                [month.customer.external_id],
                unmasked=unmasked,
                content_hash=None if month.final is None else month.final.content_hash,
            )
        else:
            filename = f"{month.customer.external_id}-{month.period}.{form.extension}"
            return StreamingResponse(
                content,
                media_type=form.media_type,
                headers={
                    "Content-Disposition": f"inline; filename*=UTF-8''{quote(filename, safe='')}"
                },
            )
    return _export_instead(request, order)


def _content(
    request: Request,
    session: Session,
    month: Month,
    form: Format,
    limit: int,
    *,
    unmasked: bool,
) -> Spooled:
    """The whole answer. Raises AnswerTooLarge."""
    if form is HTML:
        return Spooled(report_page(request, session, month), MAX_BYTES)
    if form is JSON:
        header = report_header(session, month, limit)
        return Spooled(iter([header.model_dump_json().encode()]), MAX_BYTES)
    return answered_file(session, month, form, unmasked=unmasked)


def _export_instead(request: Request, order: ExportOrder) -> Response:
    """Leads to an export of the file: a program to its address, a browser to the console."""
    try:
        file_store(settings())
    except FileStoreMissing as missing:
        missing.detail = (
            "this file is too large to be answered, and this service keeps no files that it could "
            "make in the background: read the lines page by page at …/lines, or ask its operator "
            f"to {missing.detail}"
        )
        raise
    export = find_or_order(order, principal_of(request))
    if prefers_page(request):
        return see_other(request, f"console/exports?export_id={export.export_id}")
    detail = (
        "This file is too large to be answered, so it is made in the background as an export. Ask "
        "the address in Location how far it is: once it is ready, that leads to the file."
    )
    answer = ExportInstead.from_export(export, detail=detail).model_dump(mode="json")
    address = f"{frame_of(request).root}exports/{export.export_id}"
    return JSONResponse(answer, 303, {"Location": address})
