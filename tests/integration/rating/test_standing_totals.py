"""Standing totals: in every snapshot what is read is what rating everything gives."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine, Row, text
from sqlalchemy.orm import Session

from common.database.engine import get_engine
from common.database.sql_loader import load_statement
from common.database.transactions import snapshot
from common.identifiers import customer_id
from common.rating.periods import RatingScope, active_periods
from common.rating.standing_totals.catch_up import catch_up, catch_up_with
from services.reports.api.dependencies import now
from services.reports.app import app
from tests.support import interleavings
from tests.support.api import Wire, action, lead, post, register
from tests.support.interleavings import Interleaving
from tests.support.standing_totals import check_standing_totals

ANN = {"user": {"email": "ann@people.test"}}
BEN = {"user": {"email": "ben@people.test"}}
ACME = customer_id("acme")
STANDING = (
    "standing_month_totals",
    "standing_part_totals",
    "standing_user_totals",
    "standing_lead_totals",
)


def may(day: int, level: str = "High", kind: str = "Call") -> Wire:
    return action(kind, f"2024-05-{day:02d}T10:00:00Z", level)


@pytest.fixture
def caught_up(gateway: httpx.Client) -> httpx.Client:
    """Two customers with April and May, with duplicates and capped lines, all of it caught up."""
    register(gateway, customers={"acme": "UTC", "beta": "Asia/Tokyo"}, products="abc")
    leads = [
        lead("one", action(), action(), *[may(day) for day in range(1, 14)], **ANN),
        lead("two", may(3), may(20, "Low"), **ANN),
        lead("three", may(4), action("Chat"), **BEN),
        lead("nobody", may(5, "Medium")),
        lead("edge", action("Call", "2024-04-30T20:00:00Z"), customer_id="beta", **ANN),
    ]
    post(gateway, leads).raise_for_status()
    catch_up()
    return gateway


def rows(table: str) -> list[tuple[object, ...]]:
    with get_engine().connect() as connection:
        return sorted(map(tuple, connection.exec_driver_sql(f"select * from {table}")), key=str)


def standing() -> dict[str, list[tuple[object, ...]]]:
    return {table: rows(table) for table in STANDING}


def is_behind() -> bool:
    return bool(rows("rating_backlog"))


def check() -> dict[tuple[UUID, date], tuple[int, ...]]:
    with snapshot() as session:
        return dict(check_standing_totals(session))


def test_totals_are_read_before_anything_is_caught_up_with(gateway: httpx.Client) -> None:
    register(gateway, products="abc")
    post(gateway, lead("one", action(), action("Chat"), **ANN)).raise_for_status()

    totals = check()

    assert is_behind()
    assert rows("standing_month_totals") == []
    assert [sums[5] for sums in totals.values()] == [2]


def test_caught_up_totals_are_what_rating_gives(caught_up: httpx.Client) -> None:
    check()

    assert not is_behind()
    assert [len(rows(table)) for table in STANDING] == [3, 3, 6, 7]


def test_catching_up_twice_changes_nothing(caught_up: httpx.Client) -> None:
    before = standing()

    assert catch_up() == 0
    assert standing() == before


def test_rating_the_same_again_writes_nothing(caught_up: httpx.Client) -> None:
    before = standing()
    with get_engine().begin() as connection:
        connection.exec_driver_sql(
            "insert into rating_backlog (customer_id, first_at, last_at)"
            " select customer_id, '2024-01-01', 'infinity' from customers"
        )

    assert catch_up() == 0
    assert standing() == before
    assert not is_behind()


def add_actions(client: httpx.Client) -> None:
    post(client, lead("two", may(3), may(20, "Low"), may(9), **ANN)).raise_for_status()


def replay(client: httpx.Client) -> None:
    held = lead("held", may(7), product_id="def", **BEN)
    assert post(client, held).json()["quarantined"] == 1
    client.put("/products/def", json={"name": "Def"}).raise_for_status()
    catch_up()
    (entry,) = client.get("/leads/quarantined").json()["data"]
    client.post(f"/leads/quarantined/{entry['quarantine_id']}/replay").raise_for_status()


def change_zone(client: httpx.Client) -> None:
    body = {"name": "Beta", "email": "beta@partner.test", "timezone": "Pacific/Honolulu"}
    client.put("/customers/beta", json=body).raise_for_status()


def add_default_card(client: httpx.Client) -> None:
    _add_card(client, None)


def add_own_card(client: httpx.Client) -> None:
    _add_card(client, "acme")


def _add_card(client: httpx.Client, customer: str | None) -> None:
    """A card for May that is added in April, when some actions of May are stored already."""
    rates = [
        {"engagement_level": level, "amount": amount}
        for level, amount in (("High", "3.00"), ("Medium", "2.00"), ("Low", "1.00"))
    ]
    body = {
        "customer_id": customer,
        "name": "New",
        "valid_from": "2024-05",
        "currency": "USD",
        "rates": rates,
        "cap": {"amount": "50.00", "scope": "user"},
    }
    app.dependency_overrides[now] = lambda: datetime(2024, 4, 15, tzinfo=UTC)
    client.post("/rate-cards", json=body).raise_for_status()
    del app.dependency_overrides[now]


def erase(client: httpx.Client) -> None:
    body = {"user": "ann@people.test"}
    client.post("/customers/acme/erasures", json=body).raise_for_status()


def void(client: httpx.Client) -> None:
    body = {"customer_id": "acme", "reason": "a test lead"}
    client.post("/leads/one/void", json=body).raise_for_status()


CHANGES: dict[str, tuple[Callable[[httpx.Client], None], bool]] = {
    "actions": (add_actions, True),
    "replay": (replay, True),
    "time zone": (change_zone, True),
    "default card": (add_default_card, True),
    "own card": (add_own_card, True),
    "void": (void, True),
    "erasure": (erase, False),  # it changes no amount and no key
}


@pytest.mark.parametrize(("change", "covers"), CHANGES.values(), ids=CHANGES)
def test_what_changes_an_input_of_rating_appends_what_covers_it(
    caught_up: httpx.Client, change: Callable[[httpx.Client], None], covers: bool
) -> None:
    before = check()

    change(caught_up)

    assert is_behind() == covers
    after = check()
    assert (after != before) == covers
    catch_up()
    assert check() == after
    assert not is_behind()


@pytest.mark.parametrize("is_caught_up", [True, False])
def test_closed_month_is_read_no_more_and_its_rows_go(
    caught_up: httpx.Client, is_caught_up: bool
) -> None:
    if not is_caught_up:
        add_actions(caught_up)
    months = check()

    run = caught_up.post("/billing/periods/2024-04/close", json={"customer_ids": ["acme"]})

    run.raise_for_status()
    final = caught_up.get("/billing/reports/acme/2024-04").raise_for_status().json()["totals"]
    stood = next(sums for month, sums in months.items() if month[0] == ACME and month[1].month == 4)
    assert final["billed"] == f"{stood[1] / 100:.2f}"
    assert {month for month in months if month not in check()} == {
        month for month in months if month[0] == ACME and month[1].month == 4
    }
    catch_up()
    assert {str(row[1]) for row in rows("standing_month_totals") if row[0] == ACME} == {
        "2024-05-01"
    }
    check()


def test_late_action_adds_nothing_to_the_standing_totals(caught_up: httpx.Client) -> None:
    caught_up.post(
        "/billing/periods/2024-04/close", json={"customer_ids": ["acme"]}
    ).raise_for_status()
    catch_up()
    before = standing()

    post(caught_up, lead("late", action("Share"), **ANN)).raise_for_status()

    check()
    catch_up()
    assert standing() == before
    assert not is_behind()


def test_page_of_lines_counts_the_users_behind_who_are_not_on_it(caught_up: httpx.Client) -> None:
    post(caught_up, lead("three", may(4), may(21), action("Chat"), **BEN)).raise_for_status()
    address = "/billing/reports/acme/2024-05"

    page = caught_up.get(address, params={"limit": 1}).raise_for_status().json()

    assert [line["user"] for line in page["lines"]] == ["ann@people.test"]
    all_lines = caught_up.get(address).raise_for_status().json()
    assert len(all_lines["lines"]) == all_lines["totals"]["actions"]
    for member in ("totals", "by_product", "by_lead_type", "by_user", "by_lead"):
        assert page[member] == all_lines[member]


def test_customer_whom_somebody_catches_up_with_is_left_to_them(
    caught_up: httpx.Client, engine: Engine
) -> None:
    add_actions(caught_up)
    with engine.begin() as other:
        assert catch_up_with(Session(other), [str(ACME)]) > 0

        assert catch_up() == 0
        assert is_behind()

    assert not is_behind()
    check()


def test_what_is_stored_while_somebody_catches_up_stays_in_the_backlog(
    caught_up: httpx.Client, engine: Engine
) -> None:
    add_actions(caught_up)
    with engine.begin() as other:
        catch_up_with(Session(other), [str(ACME)])
        post(caught_up, lead("two", may(21), **ANN)).raise_for_status()

        check()

    assert is_behind()
    check()
    catch_up()
    check()


@pytest.mark.parametrize("price", ["0.01", "100"], ids=["by their leads", "in the month"])
def test_users_rated_alone_get_the_lines_they_get_in_the_whole_month(
    caught_up: httpx.Client, price: str
) -> None:
    """However their actions are found, which depends on what it takes to find a lead's."""
    statement = load_statement("rating", "rate_month")
    assert statement.count("standing.actions / 100") == 1
    of_users = text(statement.replace("standing.actions / 100", f"standing.actions / {price}"))
    with snapshot() as session:
        for pair in active_periods(session, None, None, None):
            whole = session.execute(text(statement), RatingScope([pair]).parameters()).all()
            users = sorted({row.user_key for row in whole})
            scope = RatingScope([pair] * len(users), user_keys=users)

            alone = session.execute(of_users, scope.parameters()).all()

            assert _without_number(alone) == _without_number(whole)


def _without_number(rows: Sequence[Row[Any]]) -> list[tuple[Any, ...]]:
    return sorted((*row[:15], *row[16:]) for row in rows)


def test_totals_are_exact_while_everything_happens_at_once(configured_database: str) -> None:
    interleavings.fill()
    everything = Interleaving(seconds=6, seed=1)

    everything.run()

    assert everything.done["read with a backlog"] > 3
    catch_up()
    check()
    assert not is_behind()
