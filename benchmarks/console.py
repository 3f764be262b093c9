"""Measure the console's pages of a customer with 100,000 actions, against their statements."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from urllib.parse import quote

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from benchmarks import workload
from benchmarks.measure import Finding, in_turns, milliseconds
from benchmarks.servers import Client, product_engine, product_server
from common import identifiers
from common.billing_period import Period
from common.closing.preview import preview
from common.leads.search import LeadFilter, find_leads, get_lead
from common.reports.dashboard import overview
from common.reports.draft import draft_report
from common.reports.lead_history import lead_lines
from common.reports.listing import EntryFilter, list_entries
from common.reports.months import find_month

_MAX_FACTOR = 4.0
_MONTH = Period(date(2024, 4, 1))


def measure(url: str, rounds: int) -> list[Finding]:
    """`url`: a database with a million actions; one customer has a tenth of them."""
    engine = product_engine(url)
    lead = _lead(engine)
    pages: dict[str, tuple[str, str, Callable[[Connection], object]]] = {
        "overview": (
            "overview of a month",
            f"/?month={_MONTH}",
            lambda connection: overview(Session(connection), _MONTH),
        ),
        "reports": (
            "list of reports",
            f"/console/reports?customer_id={workload.LARGE_CUSTOMER}",
            lambda connection: list_entries(Session(connection), _large()),
        ),
        "report": (
            "page of a report, filtered and sorted",
            f"/billing/reports/{workload.LARGE_CUSTOMER}/{_MONTH}.html"
            "?outcome=billed&sort=lead&order=desc&page=2",
            _rate_month,
        ),
        "lead": (
            "page of a lead",
            f"/console/lead?id={quote(lead, safe='')}",
            lambda connection: _rate_lead(connection, lead),
        ),
        "close": (
            "preview of a close",
            f"/console/close?period={_MONTH}",
            lambda connection: preview(Session(connection), _MONTH, datetime.now(UTC)),
        ),
    }
    with product_server(url) as server:
        client = Client(server)
        findings = []
        for name, (title, path, statement) in pages.items():
            medians = in_turns(
                rounds,
                {
                    "statement": _run_statement(engine, statement),
                    "page": _get_page(client, path),
                },
            )
            findings.append(
                Finding(
                    f"console_{name}",
                    f"The console's {title}, against its statements",
                    medians["page"] / medians["statement"],
                    _MAX_FACTOR,
                    details=milliseconds(medians) | {"rounds": rounds},
                )
            )
    return findings


def _run_statement(
    engine: Engine, statement: Callable[[Connection], object]
) -> Callable[[int], None]:
    def run(_: int) -> None:
        with engine.connect() as connection:
            statement(connection)

    return run


def _get_page(client: Client, path: str) -> Callable[[int], object]:
    return lambda _: client.get(path)


def _large() -> EntryFilter:
    return EntryFilter(customer_id=identifiers.customer_id(workload.LARGE_CUSTOMER))


def _lead(engine: Engine) -> str:
    filters = LeadFilter(customer_id=workload.LARGE_CUSTOMER)
    with engine.connect() as connection:
        (match,) = find_leads(Session(connection), filters, b"", None, 1)
        return match.lead.external_id


def _rate_month(connection: Connection) -> object:
    month = find_month(Session(connection), workload.LARGE_CUSTOMER, _MONTH)
    return draft_report(Session(connection), month, most=1)


def _rate_lead(connection: Connection, external_id: str) -> object:
    lead = get_lead(Session(connection), external_id, workload.LARGE_CUSTOMER)
    return lead_lines(Session(connection), lead)
