"""The service's background task that catches up."""

import time

import httpx
import pytest

from common.database.engine import get_engine
from common.problems import DatabaseUnavailable
from common.rating.standing_totals.catch_up import catch_up
from services.reports import catching_up
from tests.support.api import action, lead, post, register


def is_behind() -> bool:
    with get_engine().connect() as connection:
        query = "select exists (select from rating_backlog)"
        return bool(connection.exec_driver_sql(query).scalar_one())


def wait_until_caught_up() -> None:
    deadline = time.monotonic() + 20
    while is_behind():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start_a_run(minutes_ago: int) -> None:
    with get_engine().begin() as connection:
        connection.exec_driver_sql(
            "insert into billing_runs (period, actor, started_at) "
            "values ('2024-03-01', 'test', now() - %s * interval '1 minute')",
            (minutes_ago,),
        )


def test_catching_up_in_the_background_waits_for_a_run_that_closes(gateway: httpx.Client) -> None:
    register(gateway)
    post(gateway, lead("one", action())).raise_for_status()
    start_a_run(minutes_ago=1)

    assert catch_up(waits_for_closing=True) == 0
    assert is_behind()
    with get_engine().begin() as connection:
        connection.exec_driver_sql("update billing_runs set finished_at = now()")
    assert catch_up(waits_for_closing=True) == 1
    assert not is_behind()


def test_catching_up_in_the_background_ignores_a_run_that_was_cut_short(
    gateway: httpx.Client,
) -> None:
    register(gateway)
    post(gateway, lead("one", action())).raise_for_status()
    start_a_run(minutes_ago=11)

    assert catch_up(waits_for_closing=True) == 1


def test_service_catches_up_while_it_runs(gateway: httpx.Client) -> None:
    register(gateway)

    with catching_up.catching_up(0.05):
        post(gateway, lead("one", action())).raise_for_status()
        wait_until_caught_up()
        post(gateway, lead("two", action())).raise_for_status()
        wait_until_caught_up()


def test_failure_does_not_end_catching_up(
    gateway: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(gateway)
    post(gateway, lead("one", action())).raise_for_status()
    failures = [DatabaseUnavailable("away"), RuntimeError("a mistake")]

    def fail_first(*, waits_for_closing: bool) -> int:
        if failures:
            raise failures.pop()
        return catch_up(waits_for_closing=waits_for_closing)

    monkeypatch.setattr(catching_up, "catch_up", fail_first)

    with catching_up.catching_up(0.05):
        wait_until_caught_up()

    assert failures == []
