"""How much the statements of standing totals read, whatever the planner knows of the tables."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from benchmarks import workload
from common import identifiers
from common.database.sql_loader import load_statement
from common.rating.standing_totals.backlog import backlog_scope
from common.rating.standing_totals.catch_up import catch_up_with
from common.reports import draft_page
from common.reports.draft_page import draft_parameters, find_page
from common.reports.line_search import LineSearch
from tests.support.plans import Statistics, keep_statistics, rows_read
from tests.support.states import InState

ACTIONS = 30_000  # of which the large customer has a tenth
LINES_A_PAGE = 100
MONTH = date(2024, 4, 1)
LARGE = identifiers.customer_id(workload.LARGE_CUSTOMER)
OF_LARGE = {"customer_id": str(LARGE), "period": MONTH}
TABLES = ("actions", "leads", "standing_lead_totals", "standing_user_totals", "rating_backlog")
FALL_BEHIND = """
insert into rating_backlog (customer_id, user_key, first_at, last_at)
select customer_id, user_key, '2024-04-02', '2024-04-03' from standing_user_totals
where customer_id = :customer and leads <= 5 order by user_key limit 2
"""


@pytest.fixture(params=list(Statistics))
def connection(
    engine: Engine, request: pytest.FixtureRequest, in_state: InState
) -> Iterator[Connection]:
    """A month that is caught up with but for two users of the large customer."""
    in_state(f"plans of standing totals, {request.param}", lambda: fill(engine, request.param))
    with engine.connect() as connection:
        connection.exec_driver_sql("set jit = off")
        yield connection


def fill(engine: Engine, statistics: Statistics) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("set constraints all deferred")
        workload.store_month(connection, ACTIONS)
    with engine.begin() as connection:
        names = [str(identifiers.customer_id(name)) for name in workload.CUSTOMERS]
        assert catch_up_with(Session(connection), names) > 0
    with engine.begin() as connection:
        connection.execute(text(FALL_BEHIND), {"customer": LARGE})
    keep_statistics(engine, statistics, TABLES)
    engine.dispose()


def statement_of(name: str) -> str:
    return load_statement("rating/standing_totals", name)


PAGE = {"after_gross": None, "after_lead": None, "max_leads": 10}
USER_PAGE = {"after_gross": None, "after_user": None, "max_users": 10}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("month_totals", {}),
        ("part_totals", {}),
        ("lead_totals", PAGE),
        ("user_totals", USER_PAGE),
        ("catch_up", {}),
    ],
)
def test_only_the_users_behind_are_rated(
    connection: Connection, name: str, more: dict[str, Any]
) -> None:
    behind = backlog_scope(Session(connection), LARGE, MONTH)
    assert len(behind.pairs) == 2

    read = rows_read(connection, statement_of(name), behind.parameters() | OF_LARGE | more)

    assert read["actions"] <= 50  # at most five leads each, of five actions
    assert read["leads"] <= 200
    assert read["month"] == 0
    assert read["standing_lead_totals"] <= 2 * 600 + 10  # without statistics, by the month's index
    assert read["standing_user_totals"] <= 100
    assert max(read[f"{table}: searches"] for table in ("actions", "leads")) <= 200
    assert read["standing_lead_totals: searches"] <= 100


@pytest.mark.parametrize("page", [1, 15])
def test_page_is_found_by_the_index(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    session = Session(connection)
    sent = mock.Mock(wraps=session.execute)
    monkeypatch.setattr(session, "execute", sent)
    draft_page.find_page(session, LARGE, MONTH, LineSearch(page=page), after=None, limit=None)
    statement, parameters = sent.call_args.args

    read = rows_read(connection, str(statement), parameters)

    assert read["actions"] <= page * 100
    assert read["leads"] <= 20
    assert read["standing_lead_totals"] == 0
    assert read["actions: searches"] <= 2
    assert read["month"] == 1


def test_page_names_its_lines_alone_and_rates_nothing_behind_them(connection: Connection) -> None:
    search = LineSearch(page=10)
    page = find_page(Session(connection), LARGE, MONTH, search, after=None, limit=None)
    scope = page.scope_of_lines(LARGE, MONTH).parameters()
    shown = {"lead_ids": None, "action_ids": page.action_ids}

    read = rows_read(connection, load_statement("rating", "rated_lines"), scope | shown)

    assert page.action_ids is not None
    assert len(page.action_ids) == LINES_A_PAGE
    assert read["actions"] <= 10 * LINES_A_PAGE
    # Whether the users' leads are few is asked first: a hundredth of the month's actions.
    assert read["leads"] <= ACTIONS // 10 // 100 + 1 + 2 * LINES_A_PAGE


def test_draft_reads_the_leads_that_it_names_and_those_of_its_page(connection: Connection) -> None:
    page = find_page(Session(connection), LARGE, MONTH, LineSearch(), after=None, limit=10)
    parameters = draft_parameters([(LARGE, MONTH)], page, LineSearch(), after=None, limit=10)
    rated = text(
        "select sum(leads)::int as leads, sum(actions)::int as actions from standing_user_totals"
        " where customer_id = :customer_id and user_key = any(cast(:user_keys as uuid[]))"
    )
    leads, actions = connection.execute(rated, parameters).one()

    read = rows_read(
        connection, load_statement("reports", "draft_report"), parameters | {"max_groups": 5}
    )

    # Each rated line looks up its lead and its original's; five users have some leads each.
    assert read["leads"] <= 2 * actions + 100
    assert read["standing_lead_totals"] <= 600 + leads + 100  # at most all of the month once
    assert read["standing_lead_totals: searches"] <= 50
    assert read["standing_user_totals"] <= 300
    assert read["standing_part_totals"] <= 100


def test_scope_of_the_backlog_reads_the_backlog_alone(connection: Connection) -> None:
    parameters = {"customer_ids": [str(LARGE)], "period": MONTH, "is_taken": False}

    read = rows_read(connection, statement_of("backlog_scope"), parameters)

    assert read["actions"] == read["leads"] == 0
    assert read["rating_backlog"] <= 2
    assert read["standing_month_totals"] <= len(workload.CUSTOMERS)
