"""The bill of a month on AWS, worked out from measured processor times and the price list."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Self

from benchmarks.prices import ASSUMPTIONS, INSTANCES, PRICES

ACTIONS = 100_000_000
ACTIONS_PER_LEAD = 5
LEADS_PER_BATCH = 1_000
SECONDS = 730 * 3600  # as AWS counts a month
HOURS = SECONDS / 3600
_GIGABYTE = 1_000_000_000


@dataclass(frozen=True)
class Cost:
    """What one piece of work takes: milliseconds of processor, and bytes sent or received."""

    function_ms: float
    service_ms: float
    database_ms: float
    bytes: int = 0

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> Self:
        return cls(
            *(details[name] for name in ("function_ms", "service_ms", "database_ms", "bytes"))
        )


@dataclass(frozen=True)
class Measured:
    """The measured costs that a bill needs."""

    request: Cost  # a request that posts leads
    leads: int  # leads of such a request
    catch_up: Cost
    leads_caught_up: int  # leads that one catching up takes
    close: Cost
    closed_actions: int
    reads: Mapping[str, Cost]
    bytes_per_action: float


@dataclass(frozen=True)
class Item:
    """A line of the bill."""

    text: str
    quantity: float
    unit: str
    price: float

    @property
    def dollars(self) -> float:
        return self.quantity * self.price


@dataclass(frozen=True)
class Bill:
    """The items, and the processor time that they follow from, in seconds of the month."""

    items: list[Item] = field(default_factory=list)
    function_seconds: float = 0
    service_seconds: float = 0
    database_seconds: float = 0
    vcpus_of_database: float = 0

    @property
    def dollars(self) -> float:
        return sum(item.dollars for item in self.items)


def bill(measured: Measured) -> Bill:
    """The bill of a month of 100 million actions, of which all were sent in the same way."""
    leads = ACTIONS / ACTIONS_PER_LEAD
    requests = leads / measured.leads
    parts = [
        (measured.request, requests),
        (measured.catch_up, leads / measured.leads_caught_up),
        (measured.close, ACTIONS / measured.closed_actions),
        *((cost, _assumed(name)) for name, cost in measured.reads.items()),
    ]
    core = _assumed("core")
    service = sum(cost.service_ms * times for cost, times in parts) / 1000 / core
    database = sum(cost.database_ms * times for cost, times in parts) / 1000 / core
    vcpus = needed_vcpus(database)
    return Bill(
        [
            *_gateway_and_function(measured, requests),
            *_service(service),
            *_database(vcpus, measured.bytes_per_action),
            *_other(measured, requests),
        ],
        measured.request.function_ms * requests / 1000 / core,
        service,
        database,
        vcpus,
    )


def needed_vcpus(seconds: float) -> float:
    """The vCPUs that do this many seconds of work in a month, with room for the busiest hour."""
    return seconds / SECONDS * _assumed("peak") / _assumed("utilisation")


def instance_with(vcpus: float) -> tuple[str, int, float]:
    """The smallest RDS instance with that many vCPUs: name, number of instances, USD per hour.

    Beyond the largest, several of it, between which customers are divided.
    """
    for name, (has, price) in INSTANCES.items():
        if has >= vcpus:
            return name, 1, price
    name, (has, price) = list(INSTANCES.items())[-1]
    return name, ceil(vcpus / has), price


def function_seconds(cost: Cost) -> float:
    """How long the function runs for a request, which is what Lambda charges."""
    share = min(1.0, _assumed("function_gb") / _assumed("full_vcpu_gb"))
    core = _assumed("core")
    waited = cost.database_ms / core + _assumed("round_trip_ms")
    return (cost.function_ms / core / share + waited) / 1000


def _gateway_and_function(measured: Measured, requests: float) -> list[Item]:
    counted = max(1, ceil(measured.request.bytes / 1024 / _assumed("gateway_kib")))
    reads = sum(_assumed(name) for name in measured.reads)
    gb_seconds = requests * function_seconds(measured.request) * _assumed("function_gb")
    million = 1_000_000
    return [
        _item("gateway_million", (requests * counted + reads) / million, "million"),
        _item("lambda_million", requests / million, "million"),
        _item("lambda_gb_second", gb_seconds, "GB-seconds"),
    ]


def _service(seconds: float) -> list[Item]:
    tasks = max(_assumed("min_tasks"), ceil(needed_vcpus(seconds) / _assumed("task_vcpu")))
    units = HOURS * _assumed("balancer_units")
    return [
        _item("fargate_vcpu_hour", tasks * HOURS * _assumed("task_vcpu"), "vCPU-hours"),
        _item("fargate_gb_hour", tasks * HOURS * _assumed("task_gb"), "GB-hours"),
        _item("balancer_hour", HOURS, "hours"),
        _item("balancer_unit_hour", units, "LCU-hours"),
    ]


def _database(vcpus: float, bytes_per_action: float) -> list[Item]:
    name, instances, price = instance_with(vcpus)
    zones = _assumed("zones")
    gigabytes = ACTIONS * bytes_per_action * _assumed("months_kept") / _GIGABYTE
    hours = HOURS * instances * zones
    return [
        Item(f"RDS for PostgreSQL: {name} in {zones:g} zones", hours, "hours", price),
        _item("storage_gb_month", gigabytes * zones, "GB-months"),
    ]


def _other(measured: Measured, requests: float) -> list[Item]:
    reads = {name: _assumed(name) for name in measured.reads}
    logs = (requests + sum(reads.values())) * _assumed("log_bytes") / _GIGABYTE
    sent = sum(measured.reads[name].bytes * times for name, times in reads.items()) / _GIGABYTE
    endpoints = HOURS * _assumed("endpoints") * _assumed("zones")
    return [
        _item("endpoint_hour", endpoints, "hours"),
        _item("logs_gb", logs, "GB"),
        _item("transfer_gb", sent, "GB"),
    ]


def _item(price: str, quantity: float, unit: str) -> Item:
    figure = PRICES[price]
    return Item(figure.text, quantity, unit, figure.value)


def _assumed(name: str) -> float:
    return ASSUMPTIONS[name].value
