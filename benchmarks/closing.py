"""Measure the closing of a month of all customers over HTTP, and the pages of a final report."""

import statistics
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from benchmarks import workload
from benchmarks.billing import scan, stored_month
from benchmarks.measure import Finding
from benchmarks.servers import (
    Client,
    Databases,
    driver_connection,
    product_engine,
    product_server,
    statements_sent,
    watched_memory,
)
from common.billing_period import Period
from common.rating.line import LineKey
from common.reports.final import final_report
from common.reports.line_search import ALL_LINES
from common.reports.lines import find_lines
from common.reports.months import find_month

_PERIOD = Period.parse(workload.PERIOD)
_MEBIBYTE = 1024 * 1024
_MAX_GROWTH = 64.0  # MiB that the server may gain while it closes
_LINES_PER_PAGE = 1_000
_SCANS = 5  # before each close, and again after it


def measure(databases: Databases, actions: int, rounds: int, readings: int) -> list[Finding]:
    """Each round closes another month; the readings read a report of the last month."""
    scans, closes, growths = [], [], []
    for number in range(rounds):
        url = stored_month(databases, actions, f"closing_{number}")
        engine = product_engine(url)
        scan(engine)
        scans += [_timed_scan(engine) for _ in range(_SCANS)]
        # A month that is over was caught up long ago.
        with product_server(url, catches_up=False) as server:
            client = Client(server)
            client.get("/health/ready")  # a load balancer asks this before the first request
            with watched_memory(server) as memory:
                began = time.perf_counter()
                client.post(f"/billing/periods/{workload.PERIOD}/close")
                closes.append(time.perf_counter() - began)
        growths.append(round((memory.peak - memory.before) / _MEBIBYTE, 1))
        scans += [_timed_scan(engine) for _ in range(_SCANS)]
    medians = {"scan": statistics.median(scans), "close": statistics.median(closes)}
    return [
        Finding.ratio(
            "close",
            f"Closing {actions:,} actions of 100 customers over HTTP, against a serial "
            "scan and sum of them",
            medians,
            ("close", "scan"),
            35.0,
            rounds=rounds,
            actions=actions,
        ),
        Finding(
            "memory_close",
            f"Memory that the server gains while it closes {actions:,} actions",
            max(growths),
            _MAX_GROWTH,
            unit=" MiB",
            details={"growths_mib": growths},
        ),
        *_reading(engine, readings),
    ]


def _timed_scan(engine: Engine) -> float:
    began = time.perf_counter()
    scan(engine)
    return time.perf_counter() - began


def _reading(engine: Engine, readings: int) -> list[Finding]:
    """The median time over all pages to execute a page's statements and fetch all rows."""
    with engine.connect() as connection, statements_sent(engine) as header:
        session = Session(connection)
        month = find_month(session, workload.MIDDLE_CUSTOMER, _PERIOD)
        list(final_report(session, month, limit=_LINES_PER_PAGE)[0].lines)
    pages = list(_pages(engine))
    of_lines = (
        f"of {_LINES_PER_PAGE:,} lines, in a final report of {_LINES_PER_PAGE * len(pages):,}"
    )
    return [
        Finding(
            name,
            f"Median database time of {title} {of_lines} lines",
            _milliseconds(engine, sent, readings),
            20.0,
            unit=" ms",
            details={"pages": len(sent), "readings": readings},
        )
        for name, title, sent in (
            ("read_final", "a page", pages),
            ("read_final_header", "the report itself with its first page", [list(header)]),
        )
    ]


def _milliseconds(engine: Engine, pages: list[list[tuple[str, Any]]], readings: int) -> float:
    cursor = driver_connection(engine).cursor()
    seconds = []
    for _ in range(readings):
        for sent in pages:
            began = time.perf_counter()
            for statement, parameters in sent:
                cursor.execute(statement, parameters)
                cursor.fetchall()
            cursor.connection.rollback()
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000


def _pages(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements of each page of the middle customer's lines, as the driver gets them."""
    after: LineKey | None = None
    last = 0
    while True:
        with engine.connect() as connection, statements_sent(engine) as sent:
            session = Session(connection)
            month = find_month(session, workload.MIDDLE_CUSTOMER, _PERIOD, counts_doubts=False)
            page = find_lines(session, month, ALL_LINES, after, _LINES_PER_PAGE)
        yield list(sent)
        if not page.has_more:
            return
        last += _LINES_PER_PAGE
        with engine.connect() as connection:
            session = Session(connection)
            month = find_month(session, workload.MIDDLE_CUSTOMER, _PERIOD)
            _, after = final_report(session, month, limit=last)
