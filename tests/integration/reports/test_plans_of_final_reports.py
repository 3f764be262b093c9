"""How much the pages of a final report read, whatever the planner knows of the tables."""

from collections import Counter
from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks import workload
from benchmarks.servers import statements_sent
from common import identifiers
from common.billing_period import Period
from common.closing.close_period import close_period
from common.rating.line import LineKey
from common.reports.final import final_report
from common.reports.line_search import ALL_LINES
from common.reports.lines import find_lines
from common.reports.months import find_month
from tests.support.plans import Statistics, keep_statistics, rows_read_as_sent

ACTIONS = 30_000  # of which the large customer has a tenth
LINES_A_PAGE = 100
APRIL = Period.parse(workload.PERIOD)
LARGE = identifiers.customer_id(workload.LARGE_CUSTOMER)
TABLES = (
    *("actions", "leads", "billing_reports"),
    *("billing_report_line_blocks", "billing_report_lead_totals"),
)


@pytest.fixture(params=list(Statistics))
def final_month(engine: Engine, request: pytest.FixtureRequest) -> Engine:
    """A month of many customers, which is closed for the large one."""
    with engine.begin() as connection:
        connection.exec_driver_sql("set constraints all deferred")
        workload.store_month(connection, ACTIONS)
    with engine.begin() as connection:
        run_id = uuid4()
        connection.execute(
            text("insert into billing_runs (run_id, period, actor) values (:run, :period, 'test')"),
            {"run": run_id, "period": APRIL.start},
        )
        assert close_period(Session(connection), LARGE, APRIL, run_id)
    keep_statistics(engine, request.param, TABLES)
    return engine


def read_by(engine: Engine, work: Callable[[Session], object]) -> Counter[str]:
    """How many rows of each table the statements of some work touch."""
    with engine.connect() as connection, statements_sent(engine) as sent:
        work(Session(connection))
        statements = list(sent)
    read: Counter[str] = Counter()
    with engine.connect() as connection:
        for statement, parameters in statements:
            read += rows_read_as_sent(connection, statement, parameters)
    return read


def place_behind(engine: Engine, line: int) -> LineKey:
    with engine.connect() as connection:
        session = Session(connection)
        month = find_month(session, workload.LARGE_CUSTOMER, APRIL)
        _, place = final_report(session, month, limit=line)
    assert place is not None
    return place


def test_page_of_lines_reads_its_own_leads_and_blocks(final_month: Engine) -> None:
    after = place_behind(final_month, 1_000)

    def page(session: Session) -> None:
        month = find_month(session, workload.LARGE_CUSTOMER, APRIL, counts_doubts=False)
        assert len(find_lines(session, month, ALL_LINES, after, LINES_A_PAGE).lines) == LINES_A_PAGE

    read = read_by(final_month, page)

    assert read["leads"] <= 2 * (LINES_A_PAGE + 1)  # a line's, and that of its original
    assert read["billing_report_lead_totals"] == 0
    assert read["actions"] <= 10  # of the moment that the page begins behind
    assert read["month"] == 0


def test_report_itself_reads_no_actions_and_few_leads(final_month: Engine) -> None:
    def header(session: Session) -> None:
        month = find_month(session, workload.LARGE_CUSTOMER, APRIL)
        report, _ = final_report(session, month, limit=LINES_A_PAGE)
        assert len(list(report.lines)) == LINES_A_PAGE

    read = read_by(final_month, header)

    users = 30_000 // 10 // 5  # at most as many as leads
    assert read["leads"] <= users + 100 + 2 * LINES_A_PAGE
    assert read["billing_report_lead_totals"] == 1
    assert read["actions"] <= 1  # where the next page begins
    assert read["month"] == 0
