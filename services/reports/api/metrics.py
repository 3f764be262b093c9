"""/metrics: what Prometheus scrapes, from inside the network only."""

import re

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as exposition
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import MutexValue, ValueClass

from common.observability.metrics import Metric
from common.problems import NotFound
from services.reports.api.dependencies import Snapshot
from services.reports.gauges import current_gauges
from services.reports.http.request_logging import is_through_gateway
from services.reports.http.routes import Router

router = Router(include_in_schema=False)

_LABELS = {
    Metric.REFUSED: ["code"],
    Metric.REQUESTS: ["route", "method", "status"],
    Metric.REQUEST_SECONDS: ["route", "method"],
    Metric.STEPS_FAILED: ["step"],
}
_BUCKETS = {
    Metric.REQUEST_SECONDS: (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    Metric.CLOSE_SECONDS: (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600),
}

registry = CollectorRegistry()


def _name(metric: Metric) -> str:
    return "lead_billing_" + re.sub(r"(?<!^)(?=[A-Z])", "_", metric).lower()


def _made(metric: Metric) -> Counter | Gauge | Histogram:
    name, labels = _name(metric), _LABELS.get(metric, [])
    if metric.is_duration:
        return Histogram(name, metric, labels, buckets=_BUCKETS[metric], registry=registry)
    if metric.is_level:
        return Gauge(name, metric, labels, registry=registry, multiprocess_mode="mostrecent")
    return Counter(name, metric, labels, registry=registry)


_METRICS = {metric: _made(metric) for metric in Metric}


def keep_for_prometheus(metric: Metric, value: float, labels: dict[str, str]) -> None:
    """A sink: adds a value to what the next scrape reads."""
    collector = _METRICS[metric]
    child = collector.labels(**labels) if labels else collector
    if isinstance(child, Histogram):
        child.observe(value)
    elif isinstance(child, Gauge):
        child.set(value)
    else:
        child.inc(value)


@router.get("/metrics")
def show_metrics(request: Request, session: Snapshot) -> Response:
    """The counts since the start, and the gauges of pending work now.

    Of this process; of all workers of the local server.
    """
    if is_through_gateway(request):
        raise NotFound("nothing is at this address")
    for metric, value in current_gauges(session).items():
        keep_for_prometheus(metric, value, {})
    return Response(exposition(_counted()), media_type=CONTENT_TYPE_LATEST)


def _counted() -> CollectorRegistry:
    if ValueClass is MutexValue:
        return registry
    # Counts are in files where PROMETHEUS_MULTIPROC_DIR was set when the client was imported.
    of_all_processes = CollectorRegistry()
    MultiProcessCollector(of_all_processes)  # type: ignore[no-untyped-call]
    return of_all_processes
