"""The background worker: its steps go on beside each other, and it ends when it is told to."""

import logging
import signal
import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from common.database.engine import current_engine, get_engine
from common.database.transactions import transaction
from common.observability.metrics import Metric
from common.settings import Settings, settings
from services.reports.worker import working
from tests.support.processes import command


@pytest.fixture
def without_pauses(monkeypatch: pytest.MonkeyPatch, api: object) -> None:
    monkeypatch.setenv("WORKER_PAUSE_SECONDS", "0.01")
    settings.cache_clear()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.usefixtures("without_pauses")
def test_failing_step_stops_no_other_and_is_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[Metric, dict[str, str]]] = []
    monkeypatch.setattr(
        "common.observability.metrics.sinks",
        [lambda metric, _value, labels: counted.append((metric, labels))],
    )
    tries: list[str] = []

    def fail(_settings: Settings, _stopping: threading.Event) -> bool:
        tries.append("fail")
        raise RuntimeError("broken")

    def work(_settings: Settings, _stopping: threading.Event) -> bool:
        tries.append("work")
        return False

    with caplog.at_level(logging.ERROR), working((fail, work)):
        wait_until(lambda: tries.count("fail") > 1 and tries.count("work") > 1)

    assert counted[0] == (Metric.STEPS_FAILED, {"step": "fail"})
    assert "a step failed" in caplog.text


@pytest.mark.usefixtures("without_pauses")
def test_step_that_takes_long_holds_up_no_other_and_is_told_to_stop() -> None:
    done: list[str] = []

    def long(_settings: Settings, stopping: threading.Event) -> bool:
        stopping.wait(60)
        done.append("stopped")
        return True

    def short(_settings: Settings, _stopping: threading.Event) -> bool:
        done.append("short")
        return True

    with working((long, short)):
        wait_until(lambda: done.count("short") > 2)

    assert done.count("stopped") == 1
    assert done[-1] == "stopped" or done[-2] == "stopped"


@pytest.mark.usefixtures("without_pauses")
def test_steps_have_connections_of_their_own() -> None:
    engines: list[object] = []

    def step(_settings: Settings, _stopping: threading.Event) -> bool:
        with transaction() as session:
            session.execute(text("select 1"))
        engines.append(current_engine())
        return False

    with working((step,)):
        wait_until(lambda: bool(engines))

    assert engines[0] is not get_engine()


def test_worker_ends_by_itself_at_sigterm(empty_database_url: str) -> None:
    process = command("services.reports", "worker", DATABASE_URL=empty_database_url)
    assert process.stdout is not None
    assert "works" in process.stdout.readline()

    process.send_signal(signal.SIGTERM)

    said, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "stopped" in said
