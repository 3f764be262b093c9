"""Closing months from the console: the preview, what it comes to, and the run."""

import time
from datetime import UTC, date, datetime

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.closing.preview import preview, preview_through
from common.money import amount
from tests.console.filled import fill
from tests.support.api import action, lead, post, register
from tests.support.console import text_of

CLOSE_APRIL = {"period": "2024-04", "customer_id": "acme"}


def test_preview_of_a_close_is_what_the_close_comes_to(
    gateway: httpx.Client, engine: Engine
) -> None:
    fill(gateway, leads=200)
    may = Period(date(2024, 5, 1))

    with engine.connect() as connection:
        foreseen = preview(Session(connection), may, datetime.now(UTC))
    closed = gateway.post("/billing/periods/2024-05/close").json()

    assert {
        prospect.customer.external_id: amount(prospect.due_cents) for prospect in foreseen.ready
    } == {result["customer_id"]: result["due"] for result in closed["results"]}
    assert any(prospect.prior_billed_cents for prospect in foreseen.ready)
    assert foreseen.blocked == []


def test_preview_through_a_month_is_what_closing_its_months_in_order_comes_to(
    gateway: httpx.Client, engine: Engine
) -> None:
    """Late actions and credits stand on the first month alone."""
    register(gateway, customers={"acme": "UTC", "beta": "Asia/Tokyo"})
    late, april, may = (f"2024-{month:02d}-05T10:00:00Z" for month in (3, 4, 5))
    for name in ("acme", "beta"):
        post(gateway, lead("first", action("Call", late), customer_id=name))
    gateway.post("/billing/periods/2024-03/close", json={"customer_ids": ["acme"]})
    gateway.post(
        "/billing/disputes", json={"lead_id": "first", "customer_id": "acme", "reason": "spam"}
    )
    for name in ("acme", "beta"):
        actions = [action("Share", late), action("Share", april), action("Share", may)]
        post(gateway, lead("second", *actions, customer_id=name))
    (dispute,) = gateway.get("/billing/disputes").json()["data"]
    gateway.post(f"/billing/disputes/{dispute['dispute_id']}/accept").raise_for_status()

    with engine.connect() as connection:
        foreseen = preview_through(Session(connection), Period(date(2024, 5, 1)), datetime.now(UTC))

    assert [str(month) for month in foreseen] == ["2024-03", "2024-04", "2024-05"]
    carried = []
    for month, shown in foreseen.items():
        closed = gateway.post(f"/billing/periods/{month}/close").json()
        dues = {result["customer_id"]: result["due"] for result in closed["results"]}
        ready = {each.customer.external_id: amount(each.due_cents) for each in shown.ready}
        assert ready == {name: dues[name] for name in ready}
        carried += [
            (str(month), each.customer.external_id, each.prior_billed_cents, each.credit_cents)
            for each in shown.ready
            if each.prior_billed_cents or each.credit_cents
        ]
        assert shown.blocked == []
    assert carried == [("2024-04", "acme", 1000, -1000)]


def test_customer_whose_first_month_is_blocked_closes_no_later_one(
    gateway: httpx.Client, engine: Engine
) -> None:
    register(gateway, customers={"east": "Asia/Tokyo", "west": "America/New_York"})
    for name in ("east", "west"):
        times = ("2024-03-05T00:00:00Z", "2024-04-05T00:00:00Z")
        actions = [action(f"Kind {n}", at) for n, at in enumerate(times)]
        post(gateway, lead(name, *actions, customer_id=name))
    april = Period(date(2024, 4, 1))

    with engine.connect() as connection:
        at_midnight = datetime(2024, 4, 1, 3, tzinfo=UTC)  # March goes on in New York
        foreseen = preview_through(Session(connection), april, at_midnight)

    assert [[each.customer.external_id for each in shown.ready] for shown in foreseen.values()] == [
        ["east"]
    ]


def wait_for_text(console: httpx.Client, address: str, words: str) -> str:
    """The page's text once it has the words; as it is after ten seconds without them."""
    shown = ""
    for _ in range(100):
        shown = text_of(console.get(address))
        if words in shown:
            break
        time.sleep(0.1)
    return shown


def test_several_months_are_closed_at_once(console: httpx.Client) -> None:
    register(console, customers={"acme": "UTC", "beta": "UTC"})
    for name in ("acme", "beta"):
        times = ("2024-03-05T00:00:00Z", "2024-04-05T00:00:00Z")
        actions = [action(f"Kind {n}", at) for n, at in enumerate(times)]
        post(console, lead(name, *actions, customer_id=name))
    shown = text_of(console.get("/console/close?through=2024-04"))
    assert "Close March 2024 to April 2024" in shown
    assert "Close 2 customers through April 2024" in shown

    form = {"through": "2024-04", "customer_id": "acme", "confirmed": "true"}
    answer = console.post("/console/close", data=form)
    assert answer.status_code == 303
    progress = answer.headers["location"].removeprefix("..")
    watched = wait_for_text(console, progress, "Every report of these months is final.")

    assert "Closing March 2024 to April 2024" in watched
    entries = console.get("/billing/reports", headers={"accept": "*/*"}).json()["data"]
    assert sorted((each["customer_id"], each["period"], each["status"]) for each in entries) == [
        ("acme", "2024-03", "final"),
        ("acme", "2024-04", "final"),
        ("beta", "2024-03", "draft"),
        ("beta", "2024-04", "draft"),
    ]
    again = console.post("/console/close", data=form)
    assert again.status_code == 422
    assert "nothing is left to close" in text_of(again).lower()


def test_preview_says_what_stands_in_the_way(gateway: httpx.Client, engine: Engine) -> None:
    register(gateway, customers={"early": "UTC", "east": "Asia/Tokyo", "west": "America/New_York"})
    march, april = "2024-03-05T00:00:00Z", "2024-04-05T00:00:00Z"
    post(gateway, lead("lead-1", action(timestamp=march), action(), customer_id="early"))
    for name in ("east", "west"):
        post(gateway, lead(name, action(timestamp=april), customer_id=name))

    with engine.connect() as connection:
        foreseen = preview(
            Session(connection), Period(date(2024, 4, 1)), datetime(2024, 4, 30, 20, tzinfo=UTC)
        )

    assert {prospect.customer.external_id: prospect.blocked for prospect in foreseen.prospects} == {
        "early": "2024-04 is not over yet in UTC",
        "east": None,
        "west": "2024-04 is not over yet in America/New_York",
    }
    with engine.connect() as connection:
        later = preview(Session(connection), Period(date(2024, 4, 1)), datetime.now(UTC))
    assert [prospect.blocked for prospect in later.blocked] == [
        "2024-03 still has open actions and must be closed before 2024-04"
    ]


def test_month_that_is_closed_from_the_console_is_in_the_history(console: httpx.Client) -> None:
    register(console)
    post(console, lead("lead-1", action()))

    answer = console.post("/console/close", data=CLOSE_APRIL | {"confirmed": "true"})
    watched = console.get(answer.headers["location"].removeprefix("..")).text

    assert answer.status_code == 303
    assert "Every report of this run is final." in watched or "Running: " in watched
    (run,) = console.get("/billing/runs", headers={"accept": "*/*"}).json()["data"]
    assert run["actor"] == "console"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (CLOSE_APRIL, "tick that you have reviewed the amounts"),
        ({"period": "2024-04", "confirmed": "true"}, "choose at least one customer"),
        (CLOSE_APRIL | {"period": "soon"}, "a period is a month such as 2024-04"),
    ],
)
def test_month_is_not_closed_without_customers_and_a_confirmation(
    console: httpx.Client, form: dict[str, str], words: str
) -> None:
    register(console)
    post(console, lead("lead-1", action()))

    answer = console.post("/console/close", data=form)

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert console.get("/billing/runs", headers={"accept": "*/*"}).json()["data"] == []


def test_run_that_says_nothing_any_more_is_shown_as_cut_short(
    console: httpx.Client, engine: Engine
) -> None:
    with engine.begin() as connection:
        run_id = connection.exec_driver_sql(
            "insert into billing_runs (period, actor, started_at) "
            "values ('2024-04-01', 'ops', now() - interval '1 hour') returning run_id"
        ).scalar_one()

    page = console.get(f"/console/run?id={run_id}")

    assert "It was probably cut short." in text_of(page)
