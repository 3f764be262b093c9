"""Closing what is due: which months that is, and that it may be run as often as one likes."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import pytest

from common.closing.runs import Closing
from common.closing.schedule import close_due, last_due
from services.reports.close_due import main
from tests.support.api import PROJECT, action, lead, post, register, report
from tests.support.closing import execute, forget_price


@pytest.mark.parametrize(
    ("now", "grace_days", "month"),
    [
        ("2024-05-01T11:59:59", 0, "2024-03"),  # half a day behind UTC it is still April
        ("2024-05-01T12:00:00", 0, "2024-04"),
        ("2024-05-04T11:59:59", 3, "2024-03"),
        ("2024-05-04T12:30:00", 3, "2024-04"),
        ("2024-05-28T12:30:00", 27, "2024-04"),
        ("2024-03-28T12:30:00", 27, "2024-02"),
        ("2024-01-01T12:30:00", 0, "2023-12"),
    ],
)
def test_month_is_due_when_it_is_over_everywhere_and_the_grace_is(
    now: str, grace_days: int, month: str
) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)

    assert str(last_due(moment, grace_days)) == month


def three_months(client: httpx.Client) -> None:
    register(client, customers={"acme": "UTC", "beta": "Pacific/Pago_Pago"})
    for name, months in {"acme": (2, 4, 5), "beta": (4,)}.items():
        for month in months:
            moment = f"2024-{month:02d}-10T09:00:00Z"
            post(client, lead(f"{name}-{month}", action("Form", moment), customer_id=name))


CLOSED, ALREADY_CLOSED, FAILED = Closing


def closings(now: datetime) -> list[tuple[str, int, int, int]]:
    return [
        (str(run.period), run.count(CLOSED), run.count(ALREADY_CLOSED), run.count(FAILED))
        for run in close_due(now, 3, "schedule")
    ]


def test_everything_that_is_due_is_closed_oldest_first_and_only_once(api: httpx.Client) -> None:
    three_months(api)
    now = datetime(2024, 5, 4, 12, 30, tzinfo=UTC)

    first = closings(now)
    again = closings(now)
    next_month = closings(datetime(2024, 6, 4, 12, 30, tzinfo=UTC))

    assert first == [("2024-02", 1, 0, 0), ("2024-04", 2, 0, 0)]
    assert again == []
    assert next_month == [("2024-05", 2, 0, 0)]
    assert report(api, "acme", "2024-05")["status"] == "final"
    assert [run["actor"] for run in api.get("/billing/runs").json()["data"]] == ["schedule"] * 3
    closed = api.get("/audit", params={"subject": "report"}).json()["data"]
    assert [entry["actor"] for entry in closed] == ["schedule"] * 5


def test_customer_that_fails_stops_nobody_and_is_taken_up_by_the_next_run(
    api: httpx.Client,
) -> None:
    three_months(api)
    medium = action("Share", "2024-03-10T09:00:00Z", "Medium")
    post(api, lead("beta-3", medium, customer_id="beta"))
    forget_price("beta")
    now = datetime(2024, 5, 4, 12, 30, tzinfo=UTC)

    first = closings(now)
    execute(
        "insert into rate_card_rates (rate_card_id, engagement_level, amount_cents) "
        "select rate_card_id, 'Medium', 700 from rate_cards where name = 'Unfinished'"
    )
    second = closings(now)

    assert first == [("2024-02", 1, 0, 0), ("2024-03", 1, 0, 1), ("2024-04", 1, 0, 1)]
    assert second == [("2024-03", 1, 1, 0), ("2024-04", 1, 1, 0)]


def test_command_of_the_schedule_fails_where_a_customer_does(api: httpx.Client) -> None:
    three_months(api)
    forget_price("beta")
    post(api, lead("x", action("Share", "2024-04-10T09:00:00Z", "Medium"), customer_id="beta"))

    assert main([]) == 1
    assert report(api, "acme", "2024-05")["status"] == "final"


def test_command_of_the_schedule_prints_a_line_for_each_run(
    api: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    three_months(api)
    capsys.readouterr()

    done = main(["--grace-days", "0", "--actor", "ann"])
    runs = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    again = main([])
    nothing = capsys.readouterr().out

    assert (done, again, nothing) == (0, 0, "nothing is due\n")
    assert [run["period"] for run in runs[:3]] == ["2024-02", "2024-04", "2024-05"]
    assert sum(run["failed"] for run in runs) == 0
    with pytest.raises(SystemExit):
        main(["--grace-days", "28"])


def test_make_close_due_works_on_the_database_that_is_named(
    api: httpx.Client, configured_database: str
) -> None:
    three_months(api)

    done = subprocess.run(
        [sys.executable, "-m", "scripts.close_due", "--grace-days", "5"],
        cwd=PROJECT,
        env=os.environ | {"DATABASE_URL": configured_database},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "2024-04: 2 closed, 0 already closed, 0 failed. Newly due: 20.00." in done.stdout
    assert report(api, "beta", "2024-04")["status"] == "final"
