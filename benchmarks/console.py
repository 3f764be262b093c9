"""Measure the console's pages of a customer with 100,000 actions, against their statements."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from urllib.parse import quote

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from benchmarks import workload
from benchmarks.measure import Finding, in_turns
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
    large = EntryFilter(customer_id=identifiers.customer_id(workload.LARGE_CUSTOMER))
    pages: dict[str, tuple[str, str, Callable[[Session], object]]] = {
        "overview": (
            "overview of a month",
            f"/?month={_MONTH}",
            lambda session: overview(session, _MONTH),
        ),
        "reports": (
            "list of reports",
            f"/console/reports?customer_id={workload.LARGE_CUSTOMER}",
            lambda session: list_entries(session, large),
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
            lambda session: _rate_lead(session, lead),
        ),
        "close": (
            "preview of a close",
            f"/console/close?period={_MONTH}",
            lambda session: preview(session, _MONTH, datetime.now(UTC)),
        ),
    }
    with product_server(url) as server:
        client = Client(server)
        findings = []
        for name, (title, path, statement) in pages.items():
            medians = in_turns(
                rounds,
                {
                    "statement": partial(_run_statement, engine, statement),
                    "page": partial(_get_page, client, path),
                },
            )
            findings.append(
                Finding.ratio(
                    f"console_{name}",
                    f"The console's {title}, against its statements",
                    medians,
                    ("page", "statement"),
                    _MAX_FACTOR,
                    rounds=rounds,
                )
            )
    return findings


def _run_statement(engine: Engine, statement: Callable[[Session], object], _: int) -> None:
    with Session(engine) as session:
        statement(session)


def _get_page(client: Client, path: str, _: int) -> bytes:
    return client.get(path)


def _lead(engine: Engine) -> str:
    filters = LeadFilter(customer_id=workload.LARGE_CUSTOMER)
    with Session(engine) as session:
        (match,) = find_leads(session, filters, b"", None, 1)
        return match.lead.external_id


def _rate_month(session: Session) -> object:
    return draft_report(session, find_month(session, workload.LARGE_CUSTOMER, _MONTH), limit=1)


def _rate_lead(session: Session, external_id: str) -> object:
    return lead_lines(session, get_lead(session, external_id, workload.LARGE_CUSTOMER))
