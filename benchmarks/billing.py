"""Measure the rating of a month, and a customer's report of that month over HTTP."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from benchmarks import workload
from benchmarks.measure import Finding, in_turns
from benchmarks.servers import (
    Client,
    Databases,
    Server,
    driver_connection,
    product_engine,
    product_server,
    statements_sent,
    tidy,
    watched_memory,
)
from common import identifiers
from common.rating import rated_lines
from common.rating.periods import RatingScope, period_totals

_MONTH = date(2024, 4, 1)
_MEBIBYTE = 1024 * 1024
_MAX_GROWTH = 64.0  # MiB that a server may gain while it sends 100,000 lines
_SCAN = (
    "select sum(case engagement_level when 'High' then 1000 when 'Medium' then 500 else 200 end) "
    "from actions"
)


def stored_month(databases: Databases, actions: int, name: str = "month") -> str:
    """The URL of a new database with a month of `actions` actions."""
    url = databases.migrated(f"{name}_{actions}")
    with product_engine(url).begin() as connection:
        workload.store_month(connection, actions)
    tidy(url)
    return url


def measure_rating(urls: dict[int, str], rounds: int) -> list[Finding]:
    """`urls`: two databases by their number of actions; the second has ten times as many."""
    few, many = sorted(urls)
    engines = {actions: product_engine(url) for actions, url in urls.items()}
    medians = in_turns(
        rounds,
        {
            "scan_few": lambda _: scan(engines[few]),
            "rate_few": lambda _: _rate(engines[few], few),
            "scan_many": lambda _: scan(engines[many]),
            "rate_many": lambda _: _rate(engines[many], many),
        },
        warm_up=0,
    )
    against_scan = "actions of a month, against a serial scan and sum of them"
    growth = f"Rating {many:,} actions, against rating {few:,}"
    return [
        Finding.ratio(name, title, medians, sides, target, rounds=rounds, few=few, many=many)
        for name, title, sides, target in (
            (f"rate_{few}", f"Rating {few:,} {against_scan}", ("rate_few", "scan_few"), 20.0),
            (f"rate_{many}", f"Rating {many:,} {against_scan}", ("rate_many", "scan_many"), 20.0),
            ("rate_growth", growth, ("rate_many", "rate_few"), 12.0),
        )
    ]


def measure_report(url: str, rounds: int, streams: int) -> list[Finding]:
    """`url`: a database with a million actions."""
    engine = product_engine(url)
    statement, parameters = _lines_statement(engine, _scope(workload.MIDDLE_CUSTOMER))
    bare = driver_connection(engine).cursor()

    def fetch(_: int) -> None:
        bare.execute(statement, parameters)
        bare.fetchall()

    with product_server(url) as server:
        client = Client(server)
        path = _path(workload.MIDDLE_CUSTOMER)
        lines = client.whole(f"{path}.csv").count(b"\n") - 1
        medians = in_turns(
            rounds,
            {"statement": fetch, "http": lambda _: client.whole(f"{path}.csv")},
            warm_up=3,
        )
        title = f"A report of {lines:,} lines as CSV over HTTP, against its lines' statement"
        sides = ("http", "statement")
        report = Finding.ratio(
            "report_http", title, medians, sides, 4.0, rounds=rounds, lines=lines
        )
        return [report, *_memory(server, client, streams)]


def _memory(server: Server, client: Client, streams: int) -> list[Finding]:
    large = _path(workload.LARGE_CUSTOMER)
    middle = _path(workload.MIDDLE_CUSTOMER)
    client.whole(f"{middle}.csv")
    findings = []
    formats: dict[str, tuple[str, Callable[[], int]]] = {
        "csv": ("sends 10,000 lines as CSV", lambda: len(client.whole(f"{middle}.csv"))),
        "json": ("sends 100,000 lines as JSON pages", lambda: _page_through(client, large)),
    }
    for name, (verb, read) in formats.items():
        growths, before = [], server.resident_bytes()
        for _ in range(streams):
            with watched_memory(server) as memory:
                read()
            growths.append(round((memory.peak - before) / _MEBIBYTE, 1))
        findings.append(
            Finding(
                f"memory_{name}",
                f"Memory that the server gains while it {verb}",
                max(growths),
                _MAX_GROWTH,
                unit=" MiB",
                details={"before_mib": round(before / _MEBIBYTE, 1), "peaks_above_mib": growths},
            )
        )
    return findings


def _page_through(client: Client, path: str) -> int:
    lines, cursor = 0, None
    while True:
        parameter = f"&cursor={quote(cursor)}" if cursor else ""
        page = json.loads(client.get(f"{path}/lines?limit=1000{parameter}"))
        lines += len(page["data"])
        cursor = page["next_cursor"]
        if cursor is None:
            return lines


def scan(engine: Engine) -> None:
    """The measure for rating and closing: one process reads all actions and sums their prices."""
    with engine.begin() as connection:
        connection.exec_driver_sql("set local max_parallel_workers_per_gather = 0")
        connection.exec_driver_sql(_SCAN).one()


def _rate(engine: Engine, actions: int) -> None:
    with engine.begin() as connection:
        entries = period_totals(Session(connection), _scope(*workload.CUSTOMERS))
    if sum(entry.totals.actions for entry in entries) != actions:
        raise RuntimeError("the totals do not contain every action of the month")


def _lines_statement(engine: Engine, scope: RatingScope) -> tuple[str, Any]:
    """The statement of a report's lines and its parameters, as the driver gets them."""
    with statements_sent(engine) as sent, engine.connect() as connection:
        next(rated_lines.rated_lines(Session(connection), scope))
    return sent[-1]


def _scope(*customers: str) -> RatingScope:
    return RatingScope([(identifiers.customer_id(name), _MONTH) for name in customers])


def _path(customer: str) -> str:
    return f"/billing/reports/{customer}/{workload.PERIOD}"
