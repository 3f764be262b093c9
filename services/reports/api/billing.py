"""/billing: the list of reports, and each one in full."""

from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from common.billing_period import Period
from common.catalog.customers import get_customer
from common.closing.reconciliation import reconcile
from common.closing.run_history import RunKey, runs
from common.closing.runs import run_billing
from common.closing.verification import verify_report
from common.enums import ReportStatus, Role
from common.identifiers import customer_id as uuid_of
from common.money import amount
from common.problems import Forbidden, NotFound
from common.rating.period_totals import Entry
from common.rating.totals import Totals
from common.reports.final import final_report_of
from common.reports.listing import EntryFilter, list_entries
from services.reports.api.dependencies import Cursor, Id, PageSize, Range, Snapshot, period_of
from services.reports.api.documents import entry_document, run_document
from services.reports.api.pagination import from_cursor, to_cursor
from services.reports.api.schemas import (
    BillingRunShape,
    ReconciliationShape,
    ReportListShape,
    ReportShape,
    RunListShape,
    VerificationShape,
)
from services.reports.console.report_page import report_page
from services.reports.http.authorization import principal_of
from services.reports.http.content_negotiation import FORMATS, chosen_format, split_extension
from services.reports.render.masking import with_masked_users
from services.reports.report_loader import report_of

router = APIRouter(prefix="/billing", tags=["billing"])

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
    """Whether users are wanted as they are. Raises Forbidden for all but admins."""
    if unmasked and principal_of(request).role is not Role.ADMIN:
        raise Forbidden("`unmasked` takes an admin's key")
    return unmasked


Unmasked = Annotated[bool, Depends(unmasked_for_admins)]


class EntryKey(NamedTuple):
    """Where an entry stands in the list."""

    period: str
    customer_id: str


@router.get("/reports", response_model=None, responses={200: {"model": ReportListShape}})
def show_reports(
    connection: Snapshot,
    within: Annotated[Range, Depends()],
    customer_id: Id | None = None,
    period: str | None = None,
    status: ReportStatus | None = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """One entry per customer and month, newest first, and the totals over all of them.

    `totals` are of each month's own lines; `due` is with prior-period lines and less credits. With
    `from` or `to`, totals cover only the lines inside that range, each still decided over its
    whole month, and `due` is null.
    """
    entries = list_entries(
        connection,
        EntryFilter(
            customer_id=None if customer_id is None else uuid_of(customer_id),
            period=None if period is None else period_of(period),
            status=status,
            start=within.start,
            end=within.end,
        ),
    )
    overall = Totals()
    for entry in entries:
        overall = overall.plus(entry.totals)
    dues = [entry.due_cents for entry in entries if entry.due_cents is not None]
    is_whole = within.start is None and within.end is None
    if cursor is not None:
        last = from_cursor(cursor, EntryKey)
        entries = [entry for entry in entries if is_behind(entry, last)]
    page = entries[:limit]
    return {
        "data": [entry_document(entry) for entry in page],
        "totals": overall.document(),
        "due": amount(sum(dues)) if is_whole else None,
        "next_cursor": to_cursor(entry_key(page[-1])) if len(entries) > limit else None,
    }


# Before the report's own route, whose customer id may hold slashes.
@router.get(
    "/reports/{customer_id:path}/{period}/verify",
    response_model=None,
    responses={200: {"model": VerificationShape}},
)
def verify(connection: Snapshot, customer_id: Id, period: str) -> dict[str, Any]:
    """Hashes a final report again, from its stored lines and once more from the raw actions.

    Says which lines were tampered with, by number, lead and action.
    """
    whose, month = get_customer(connection, customer_id), period_of(period)
    stored = final_report_of(connection, whose, month)
    if stored is None:
        raise NotFound(f"{customer_id!r} has no final report of {month}; only those are verified")
    return {
        "report_id": str(stored.report_id),
        "customer_id": whose.external_id,
        "period": str(month),
    } | verify_report(connection, stored).document()


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
    request: Request,
    connection: Snapshot,
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
    month, extension = split_extension(period)
    form = chosen_format(extension, accept)
    whose = get_customer(connection, customer_id)
    if form.render is None:
        content = report_page(request, connection, whose, period_of(month))
    else:
        most = limit if form.pages else None
        report = report_of(connection, whose, period_of(month), cursor=cursor, most=most)
        if form.masks and not unmasked:
            report = with_masked_users(report)
        content = form.render(report)
    filename = f"{whose.external_id}-{month}.{form.extension}"
    return StreamingResponse(
        content,
        media_type=form.media_type,
        headers={"Content-Disposition": f"inline; filename*=UTF-8''{quote(filename, safe='')}"},
    )


class CloseBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    customer_ids: Annotated[list[Id], Field(min_length=1, max_length=10_000)] | None = None
    actor: Annotated[Id, Field(description="Who asks for it, for the run history.")] = "api"


@router.post(
    "/periods/{period}/close", response_model=None, responses={200: {"model": BillingRunShape}}
)
def close(period: str, body: CloseBody | None = None) -> dict[str, Any]:
    """Makes a month final: for the named customers, or for all with actions or reports.

    Closing again changes nothing. A customer that cannot be closed is parked with its reason and
    does not stop the others; where none could be, the answer is 409.
    """
    asked = body or CloseBody()
    return run_billing(period_of(period), asked.customer_ids, asked.actor).document()


@router.get("/runs", response_model=None, responses={200: {"model": RunListShape}})
def list_runs(connection: Snapshot, limit: PageSize = 50, cursor: Cursor = None) -> dict[str, Any]:
    """Who closed what and when, the newest first, with counts, totals and time.

    `totals` are of the own lines of the reports that the run made final; with
    `prior_period_billed` and less `credits` their `billed` is what became `due`. `parked` are the
    customers that the run could not close and no later one has. A run without `finished_at` is
    under way, or was cut short: what it closed is closed.
    """
    after = None if cursor is None else from_cursor(cursor, RunKey)
    found = runs(connection, after, limit + 1)
    page = found[:limit]
    last = page[-1].run if len(found) > limit else None
    return {
        "data": [run_document(each) for each in page],
        "next_cursor": last and to_cursor(RunKey(last.started_at, last.run_id)),
    }


@router.get("/reconciliation", response_model=None, responses={200: {"model": ReconciliationShape}})
def show_reconciliation(connection: Snapshot, customer_id: Id | None = None) -> dict[str, Any]:
    """Whether every stored action is on exactly one line: final, draft, or prior-period.

    And whether each credit gives back no more than its line had billed, for an accepted dispute.
    Decides every open month for it, so it takes as long as all drafts together.
    """
    whose = None if customer_id is None else get_customer(connection, customer_id).customer_id
    return reconcile(connection, whose).document()


def entry_key(entry: Entry) -> EntryKey:
    return EntryKey(str(Period(entry.period)), entry.customer)


def is_behind(entry: Entry, last: EntryKey) -> bool:
    place = entry_key(entry)
    return place.period < last.period or (
        place.period == last.period and place.customer_id > last.customer_id
    )
