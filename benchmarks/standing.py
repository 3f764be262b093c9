"""Measure the standing totals: reads that do not grow with the month, and catching up."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import count
from time import perf_counter

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks import billing, workload
from benchmarks.ingest import LEADS_PER_BATCH
from benchmarks.measure import Finding, in_turns
from benchmarks.servers import Databases, product_engine, tidy
from common import identifiers
from common.billing_period import Period
from common.leads.ingestion import ingest_leads
from common.leads.parsing import read_leads
from common.rating.rated_lines import rated_lines
from common.rating.standing_totals.backlog import backlog_scope
from common.rating.standing_totals.catch_up import catch_up
from common.rating.standing_totals.read import lead_totals, part_totals, user_totals
from common.reports.dashboard import overview
from common.reports.draft_page import find_page
from common.reports.line_search import LINES_A_PAGE, LineSearch
from common.reports.listing import EntryFilter, list_entries
from common.settings import settings

_MONTH = Period(date(2024, 4, 1))
_ROWS_SHOWN = 100
_USERS_BEHIND = 1_000
_ACTIONS_EACH = 100
_PLAIN_SUM = (
    "select customer_id, period, sum(gross_cents), sum(billed_cents), sum(duplicate_cents), "
    "sum(cap_cents), sum(leads), sum(actions) from standing_month_totals group by 1, 2"
)
# Spread over all customers, as those of a batch are.
_FALL_BEHIND = (
    "insert into rating_backlog (customer_id, user_key, first_at, last_at) "
    "select customer_id, user_key, '2024-04-02', '2024-04-20' from standing_user_totals "
    "order by md5(user_key::text || :seed) limit :users"
)
Read = Callable[[Session], object]


def measure(databases: Databases, actions: int, rounds: int, customers: int) -> list[Finding]:
    """Months of `actions` actions and of a tenth of them; `customers` with 100 actions each."""
    urls = {
        "few": billing.stored_month(databases, actions // 10, "standing"),
        "many": billing.stored_month(databases, actions, "standing"),
    }
    bulk = _bulk_load(urls["many"], actions)
    _catch_up(urls["few"])
    engines = {name: product_engine(url) for name, url in urls.items()}
    small = _many_customers(databases, customers)
    return [
        bulk,
        *_reads(engines, actions, rounds),
        _list_of_small_customers(small, customers, rounds),
        *_backlog(urls["many"], rounds),
    ]


def _bulk_load(url: str, actions: int) -> Finding:
    engine = product_engine(url)
    medians = in_turns(1, {"scan": lambda _: billing.scan(engine)})
    began = perf_counter()
    catch_up()
    medians["catch_up"] = perf_counter() - began
    tidy(url)
    title = f"Catching up after a bulk load of {actions:,} actions, against a scan and sum of them"
    return Finding.ratio("standing_bulk", title, medians, ("catch_up", "scan"), 60.0)


def _catch_up(url: str) -> None:
    product_engine(url)
    catch_up()
    tidy(url)


def _reads(engines: dict[str, Engine], actions: int, rounds: int) -> list[Finding]:
    """Each read of the large month against the same of a tenth or a hundredth of it."""
    reads: dict[str, tuple[Read, Read, float, str]] = {
        "list": (
            _list_and_overview,
            _list_and_overview,
            1.5,
            "List of reports and overview, against those of a tenth of the actions",
        ),
        "header": (
            _header(workload.LARGE_CUSTOMER),
            _header(workload.MIDDLE_CUSTOMER),
            1.5,
            "A report's header with its largest 100 users and leads, a customer of a hundred "
            "times the actions",
        ),
        "page": (
            _page(workload.LARGE_CUSTOMER, actions // 10),
            _page(workload.MIDDLE_CUSTOMER, actions // 1000),
            3.0,
            "Finding and rating a page of 100 lines in the middle, a customer of a hundred times "
            "the actions",
        ),
    }
    findings = []
    for name, (large, small, target, title) in reads.items():
        medians = in_turns(
            rounds,
            {"many": _run(engines["many"], large), "few": _run(engines["few"], small)},
        )
        findings.append(
            Finding.ratio(
                f"standing_{name}", title, medians, ("many", "few"), target, rounds=rounds
            )
        )
    return findings


def _run(engine: Engine, read: Read) -> Callable[[int], object]:
    def run(_: int) -> None:
        with Session(engine) as session:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            read(session)

    return run


def _list_and_overview(session: Session) -> None:
    list_entries(session, EntryFilter())
    overview(session, _MONTH)


def _header(name: str) -> Read:
    customer_id = identifiers.customer_id(name)

    def read(session: Session) -> None:
        behind = backlog_scope(session, customer_id, _MONTH.start)
        part_totals(session, behind, customer_id, _MONTH.start)
        user_totals(session, behind, customer_id, _MONTH.start, limit=_ROWS_SHOWN)
        lead_totals(session, behind, customer_id, _MONTH.start, limit=_ROWS_SHOWN)

    return read


def _page(name: str, actions: int) -> Read:
    """A page in the middle of the lines of a customer with that many actions."""
    customer_id = identifiers.customer_id(name)
    search = LineSearch(page=actions // LINES_A_PAGE // 2 or 1)

    def read(session: Session) -> None:
        page = find_page(session, customer_id, _MONTH.start, search, after=None, limit=None)
        scope = page.scope_of_lines(customer_id, _MONTH.start)
        lines = rated_lines(session, scope, action_ids=page.action_ids)
        if len(list(lines)) != LINES_A_PAGE:
            raise RuntimeError("the page is not in the middle of the customer's lines")

    return read


def _many_customers(databases: Databases, customers: int) -> Engine:
    url = databases.migrated(f"standing_customers_{customers}")
    with product_engine(url).begin() as connection:
        workload.store_customers(connection, customers, _ACTIONS_EACH)
    _catch_up(url)
    return product_engine(url)


def _list_of_small_customers(engine: Engine, customers: int, rounds: int) -> Finding:
    def plain_sum(_: int) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(_PLAIN_SUM).all()

    read = _run(engine, lambda session: list_entries(session, EntryFilter()))
    medians = in_turns(rounds, {"list": read, "sum": plain_sum})
    title = (
        f"List of reports of {customers:,} customers with {_ACTIONS_EACH} actions each, against a "
        "plain sum of their rows"
    )
    return Finding.ratio("standing_customers", title, medians, ("list", "sum"), 5.0, rounds=rounds)


def _backlog(url: str, rounds: int) -> list[Finding]:
    """Reading past 1,000 users, and catching up with them, against storing as many leads."""
    engine = product_engine(url)
    seeds = count()
    read = _run(engine, _list_and_overview)
    medians = in_turns(rounds, {"none": read})

    def fall_behind() -> None:
        with engine.begin() as connection:
            parameters = {"users": _USERS_BEHIND, "seed": str(next(seeds))}
            connection.execute(text(_FALL_BEHIND), parameters)

    fall_behind()
    medians |= in_turns(rounds, {"behind": read})
    catch_up()
    bodies = [workload.body(workload.batch(seed, LEADS_PER_BATCH)) for seed in range(rounds + 1)]
    took: list[float] = []

    def caught_up(_: int) -> None:
        fall_behind()
        began = perf_counter()
        catch_up()
        took.append(perf_counter() - began)

    def store(number: int) -> None:
        posted = read_leads(bodies[number], datetime.now(UTC), settings())
        with engine.begin() as connection:
            ingest_leads(connection, posted.leads, settings())

    stored = in_turns(rounds, {"batch": store})
    in_turns(rounds, {"caught_up": caught_up})
    stored["caught_up"] = sorted(took)[len(took) // 2]
    return [
        Finding.ratio(
            "standing_behind",
            f"List of reports and overview with {_USERS_BEHIND:,} users in the backlog, against "
            "none",
            medians,
            ("behind", "none"),
            4.0,
            rounds=rounds,
        ),
        Finding.ratio(
            "standing_catch_up",
            f"Catching up with {_USERS_BEHIND:,} users, against storing a batch of as many leads",
            stored,
            ("caught_up", "batch"),
            3.0,
            rounds=rounds,
        ),
    ]
