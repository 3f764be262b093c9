"""Measure the closing of a month of all customers over HTTP, and the pages of a final report."""

import statistics
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from benchmarks import workload
from benchmarks.billing import scan, stored_month
from benchmarks.measure import Finding, milliseconds
from benchmarks.servers import (
    Client,
    Databases,
    MemoryWatch,
    driver_connection,
    product_engine,
    product_server,
    statements_sent,
)
from common.billing_period import Period
from common.reports.final import final_report
from common.reports.months import find_month

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
        with product_server(url) as server:
            client = Client(server)
            client.get("/health/ready")  # a load balancer asks this before the first request
            with MemoryWatch(server) as watch:
                began = time.perf_counter()
                client.post(f"/billing/periods/{workload.PERIOD}/close")
                closes.append(time.perf_counter() - began)
        growths.append(round(watch.growth / _MEBIBYTE, 1))
        scans += [_timed_scan(engine) for _ in range(_SCANS)]
    medians = {"scan": statistics.median(scans), "close": statistics.median(closes)}
    return [
        Finding(
            "close",
            f"Closing {actions:,} actions of 100 customers over HTTP, against a serial "
            "scan and sum of them",
            medians["close"] / medians["scan"],
            35.0,
            details=milliseconds(medians) | {"rounds": rounds, "actions": actions},
        ),
        Finding(
            "memory_close",
            f"Memory that the server gains while it closes {actions:,} actions",
            max(growths),
            _MAX_GROWTH,
            unit=" MiB",
            details={"growths_mib": growths},
        ),
        _reading(engine, readings),
    ]


def _timed_scan(engine: Engine) -> float:
    began = time.perf_counter()
    scan(engine)
    return time.perf_counter() - began


def _reading(engine: Engine, readings: int) -> Finding:
    """The median time over all pages to execute a page's statements and fetch all rows."""
    pages = list(_pages(engine))
    cursor = driver_connection(engine).cursor()
    seconds = []
    for _ in range(readings):
        for sent in pages:
            began = time.perf_counter()
            for statement, parameters in sent:
                cursor.execute(statement, parameters)
                cursor.fetchall()
            seconds.append(time.perf_counter() - began)
    return Finding(
        "read_final",
        f"Median database time of a page of {_LINES_PER_PAGE:,} lines, in a final report of "
        f"{_LINES_PER_PAGE * len(pages):,} lines",
        statistics.median(seconds) * 1000,
        20.0,
        unit=" ms",
        details={"pages": len(pages), "readings": readings},
    )


def _pages(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements of each page of the middle customer's report, as the driver gets them."""
    after: int | None = 0
    while after is not None:
        with engine.connect() as connection, statements_sent(engine) as sent:
            period = Period.parse(workload.PERIOD)
            month = find_month(Session(connection), workload.MIDDLE_CUSTOMER, period)
            report, after = final_report(
                Session(connection), month, after=after, most=_LINES_PER_PAGE
            )
            list(report.lines)
        yield list(sent)
