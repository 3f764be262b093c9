"""The log and the metrics of the service, and the correlation id of each request.

Invariant: no log line and no metric contains a body, a query or the name of a customer.
"""

import logging
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isnan
from typing import TextIO

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.database.errors import cause_of
from common.database.transactions import snapshot
from common.observability.correlation import HEADER, correlated, current, id_of
from common.observability.metrics import NAMESPACE, Metric, record
from common.problems import Problem
from services.reports.gauges import current_gauges
from services.reports.http.tracing import Tracing

SERVICE = "lead-billing-reports"
GATEWAY_REQUEST_ID = "x-gateway-request-id"  # set by API Gateway on all that comes through it
_SECONDS_BETWEEN_GAUGES = 60

logger = logging.getLogger("lead_billing.requests")


class Observed:
    """ASGI middleware: every request has a correlation id, is logged in one line, and is counted.

    `on_error` answers an unhandled error, before the correlation id is forgotten.
    """

    def __init__(
        self,
        app: ASGIApp,
        on_error: Callable[[Request, Exception], Response],
        tracing: Tracing | None = None,
    ) -> None:
        self._app = app
        self._on_error = on_error
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        own_id = id_of({"x-request-id": _id_of_gateway(scope, headers)}, uuid.uuid4().hex)
        correlation_id = id_of(headers, own_id)
        began, status = time.perf_counter(), 0
        # On Lambda, the runtime has begun a segment.
        tracing = None if "aws.event" in scope else self._tracing
        segment = tracing and tracing.begin(headers.get("x-amzn-trace-id"))

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = correlation_id
            await send(message)

        with correlated(correlation_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception as error:
                if status:
                    raise
                await self._on_error(Request(scope), error)(scope, receive, send_with_id)
            finally:
                route, method = _record_request(scope, status, time.perf_counter() - began)
                if tracing and segment:
                    tracing.end(segment, route, method, status, correlation_id)


def log_as_json(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Makes every logger of the process write lines of JSON, to standard output by default."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(LambdaPowertoolsFormatter(service=SERVICE))
    handler.addFilter(_with_correlation_id)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True  # it logs queries, with personal data


def write_to_cloudwatch(metric: Metric, value: float, labels: dict[str, str]) -> None:
    """A sink: one line in CloudWatch's embedded metric format, for its log agent to pick up."""
    line = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    for name, label in labels.items():
        line.add_dimension(name=name, value=label)
    line.add_metric(name=metric, unit=_unit(metric), value=value)
    line.flush_metrics()


@contextmanager
def reporting_gauges() -> Iterator[None]:
    """Records the gauges every minute, in a thread of its own."""
    stopped = threading.Event()

    def record_gauges() -> None:
        while not stopped.wait(_SECONDS_BETWEEN_GAUGES):
            try:
                with snapshot() as session:
                    levels = current_gauges(session)
            except Problem as problem:
                told = {"reason": problem.detail, "cause": cause_of(problem)}
                logger.warning("the gauges are unknown", extra=told)
            else:
                for metric, value in levels.items():
                    if not isnan(value):
                        record(metric, value)

    thread = threading.Thread(target=record_gauges, name="gauges", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()


def is_through_gateway(request: Request) -> bool:
    """Whether the request came from outside, through the gateway."""
    return GATEWAY_REQUEST_ID in request.headers or "aws.event" in request.scope


def _id_of_gateway(scope: Scope, headers: Headers) -> str:
    of_event = (scope.get("aws.event") or {}).get("requestContext", {}).get("requestId")
    return str(of_event or headers.get(GATEWAY_REQUEST_ID, ""))


def _record_request(scope: Scope, status: int, seconds: float) -> tuple[str, str]:
    """Logs and counts a request. Returns its route and method as they are counted."""
    route = getattr(scope.get("route"), "path", "none")
    method = scope["method"] if route != "none" else "any"
    record(Metric.REQUESTS, route=route, method=method, status=str(status))
    record(Metric.REQUEST_SECONDS, seconds, route=route, method=method)
    fields: dict[str, object] = {"route": route, "method": method}
    fields |= {"status": status, "seconds": round(seconds, 4)}
    problem = scope.get("state", {}).get("problem")
    if problem is not None:
        fields |= {"reason": problem.detail, "cause": cause_of(problem)}
    logger.info("answered", extra=fields)
    return route, method


def _with_correlation_id(line: logging.LogRecord) -> bool:
    correlation_id = current()
    if correlation_id is not None:
        line.correlation_id = correlation_id
    return True


def _unit(metric: Metric) -> MetricUnit:
    return MetricUnit.Seconds if metric.is_duration else MetricUnit.Count
