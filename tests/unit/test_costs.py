"""The bill of docs/costs.md: its arithmetic, and the page as the last findings give it."""

import json
from dataclasses import replace

import pytest

from benchmarks import bill as arithmetic
from benchmarks.bill import Bill, Cost, Measured, bill, function_seconds, instance_with
from benchmarks.costs import PAGE, page
from benchmarks.measure import Finding
from benchmarks.prices import ASSUMPTIONS, PRICES, Figure
from tests.support.api import PROJECT

ROUND = {
    "core": 1,
    "peak": 4,
    "utilisation": 0.5,
    "function_gb": 0.5,
    "full_vcpu_gb": 2,
    "round_trip_ms": 3,
    "gateway_kib": 512,
    "log_bytes": 1_000,
    "task_vcpu": 0.25,
    "task_gb": 0.5,
    "min_tasks": 2,
    "zones": 2,
    "balancer_units": 1,
    "endpoints": 5,
    "months_kept": 12,
    "header": 1_000_000,
}
HEADER = Cost(0, 5, 1, 9_000)
SINGLES = Measured(
    request=Cost(2, 0, 1, 700),
    leads=1,
    catch_up=Cost(0, 10, 100),
    leads_caught_up=10,
    close=Cost(0, 1_000, 5_000),
    closed_actions=1_000_000,
    reads={"header": HEADER},
    bytes_per_action=500,
)
BATCHES = replace(SINGLES, request=Cost(60, 0, 100, 700 * 1024), leads=1_000)


@pytest.fixture(autouse=True)
def assumptions(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    figures = {name: Figure(value, "", "") for name, value in ROUND.items()}
    monkeypatch.setattr(arithmetic, "ASSUMPTIONS", figures)
    return figures


def quantity(made: Bill, price: str) -> float:
    (item,) = (item for item in made.items if item.text == PRICES[price].text)
    assert item.price == PRICES[price].value
    return item.quantity


def test_assumptions_have_the_names_that_the_bill_reads() -> None:
    assert set(ROUND) | {"lines", "list", "lead"} == set(ASSUMPTIONS)


def test_function_runs_for_its_processor_time_at_its_share_of_a_vcpu_and_waits() -> None:
    # 2 ms at a quarter of a vCPU, 1 ms of the database and 3 ms of waiting.
    assert function_seconds(SINGLES.request) == pytest.approx(0.012)


def test_single_leads_are_twenty_million_requests() -> None:
    made = bill(SINGLES)

    assert quantity(made, "lambda_million") == 20
    assert quantity(made, "gateway_million") == 21  # with a million reads
    assert quantity(made, "lambda_gb_second") == pytest.approx(20_000_000 * 0.012 * 0.5)


def test_a_batch_over_512_kib_counts_as_two_requests_of_the_gateway() -> None:
    made = bill(BATCHES)

    assert quantity(made, "lambda_million") == pytest.approx(0.02)
    assert quantity(made, "gateway_million") == pytest.approx(1.04)


def test_processor_time_of_the_month_is_that_of_all_its_work() -> None:
    made = bill(SINGLES)

    assert made.function_seconds == pytest.approx(20_000_000 * 0.002)
    # 2 million times of catching up, a hundred closes and a million reads.
    assert made.service_seconds == pytest.approx(20_000 + 100 + 5_000)
    assert made.database_seconds == pytest.approx(20_000 + 200_000 + 500 + 1_000)


def test_database_has_vcpus_for_the_busiest_hour() -> None:
    made = bill(SINGLES)

    assert made.vcpus_of_database == pytest.approx(221_500 / (730 * 3600) * 4 / 0.5)


@pytest.mark.parametrize(
    ("vcpus", "name", "count"),
    [
        (0.1, "db.m7g.large", 1),
        (2, "db.m7g.large", 1),
        (2.1, "db.m7g.xlarge", 1),
        (64, "db.m7g.16xlarge", 1),
        (65, "db.m7g.16xlarge", 2),
    ],
)
def test_instance_is_the_smallest_with_the_vcpus(vcpus: float, name: str, count: int) -> None:
    assert instance_with(vcpus)[:2] == (name, count)


def test_service_has_a_task_in_each_zone_and_more_for_more_work() -> None:
    little = bill(SINGLES)
    much = bill(replace(SINGLES, reads={"header": replace(HEADER, service_ms=500)}))

    assert quantity(little, "fargate_vcpu_hour") == 2 * 0.25 * 730
    # 520,100 seconds are 1.58 vCPUs in the busiest hour at half their time: seven quarters.
    assert quantity(much, "fargate_vcpu_hour") == 7 * 0.25 * 730


def test_tasks_have_their_memory() -> None:
    assert quantity(bill(SINGLES), "fargate_gb_hour") == 2 * 0.5 * 730


def test_database_and_endpoints_stand_in_both_zones() -> None:
    made = bill(SINGLES)

    (database,) = (item for item in made.items if item.text.startswith("RDS for PostgreSQL: db."))
    assert database.quantity == 2 * 730
    assert quantity(made, "endpoint_hour") == 5 * 2 * 730


def test_every_request_and_read_writes_logs() -> None:
    assert quantity(bill(SINGLES), "logs_gb") == pytest.approx(21)


def test_storage_holds_the_months_that_are_kept_in_both_zones() -> None:
    assert quantity(bill(SINGLES), "storage_gb_month") == pytest.approx(50 * 12 * 2)


def test_answers_are_sent_to_the_internet() -> None:
    assert quantity(bill(SINGLES), "transfer_gb") == pytest.approx(9)


def test_bill_is_the_sum_of_its_items() -> None:
    made = bill(SINGLES)

    assert made.dollars == pytest.approx(sum(item.quantity * item.price for item in made.items))


def test_faster_core_takes_less_of_everything(assumptions: dict[str, Figure]) -> None:
    before = bill(SINGLES)
    assumptions["core"] = Figure(2, "", "")
    after = bill(SINGLES)

    assert after.database_seconds == pytest.approx(before.database_seconds / 2)
    assert after.function_seconds == pytest.approx(before.function_seconds / 2)


def test_page_has_what_was_measured_and_the_bill_of_both_ways(
    assumptions: dict[str, Figure],
) -> None:
    assumptions |= ASSUMPTIONS
    costs = {
        "single": {"leads": 1},
        "batch": {"leads": 1_000},
        "catch_up": {"leads": 1_000},
        "catch_up_singles": {"leads": 15},
        "close": {"actions": 1_000_000, "leads": 200_000},
        **{name: {} for name in ("header", "lines", "list", "lead")},
    }
    details = {"function_ms": 2.0, "service_ms": 1.0, "database_ms": 1.5, "rounds": 9, "bytes": 700}
    findings = [
        Finding(f"processor_{name}", name, 4.5, None, details=details | counts, part="processor")
        for name, counts in costs.items()
    ]
    findings.append(Finding("storage", "size", 500, None, part="processor"))
    machine = {"cores": 2, "architecture": "", "system": "", "python": "", "postgresql": ""}
    documents = [finding.document() for finding in findings]

    text = page({"quick": True, "machine": machine, "findings": documents})

    assert "| single | 2.00 | 1.00 | 1.50 | 4.50 | 4,500.0 | 9 |" in text
    assert "| catch_up_singles | 2.00 | 1.00 | 1.50 | 4.50 | 300.0 | 9 |" in text
    assert "| batch | 2.00 | 1.00 | 1.50 | 4.50 | 4.5 | 9 |" in text
    assert "### Sent as single leads" in text
    assert "### Sent as batches of 1,000" in text


def test_page_is_what_the_command_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "ASSUMPTIONS", ASSUMPTIONS)
    findings = PROJECT / "benchmarks" / "findings.json"
    run = json.loads(findings.read_text(encoding="utf-8"))

    assert PAGE.read_text(encoding="utf-8") == page(run)
