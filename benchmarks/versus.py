"""Compare the product with the baseline: over HTTP, on one PostgreSQL, with the same data."""

import json
import tempfile
from decimal import Decimal

from benchmarks import workload
from benchmarks.baseline import create_tables
from benchmarks.ingest import LEADS_PER_BATCH
from benchmarks.measure import Finding, in_turns
from benchmarks.servers import (
    Client,
    Databases,
    baseline_server,
    driver_connection,
    product_engine,
    product_server,
    tidy,
)

_SIDES = ("baseline", "product")
# The baseline's tables, and the queries that select their rows from the product's tables.
_COPIED = {
    "customers (id, name, email, timezone)": (
        "select external_id, name, email, timezone from customers"
    ),
    "products (id, name)": "select external_id, name from products",
    'leads (id, customer_id, product_id, lead_type, "user", created_at)': (
        "select leads.external_id, customers.external_id, products.external_id, lead_type, "
        "'email:' || user_email, leads.created_at "
        "from leads join customers using (customer_id) join products using (product_id)"
    ),
    "actions (id, lead_id, action_type, engagement_level, timestamp)": (
        "select action_id, leads.external_id, action_type, engagement_level, timestamp "
        "from actions join leads using (lead_id)"
    ),
}


def measure_batches(databases: Databases, batches: int) -> Finding:
    """Post new batches of 1,000 leads to both."""
    product_url = databases.migrated("versus_product")
    with product_engine(product_url).begin() as connection:
        workload.register(connection)
    baseline_url = databases.empty("versus_baseline")
    _copy(product_url, baseline_url)
    bodies = [workload.body(workload.batch(seed, LEADS_PER_BATCH)) for seed in range(batches + 1)]
    with product_server(product_url) as ours, baseline_server(baseline_url) as theirs:
        product, baseline = Client(ours), Client(theirs)
        medians = in_turns(
            batches,
            {
                "product": lambda number: product.post_leads(bodies[number]),
                "baseline": lambda number: baseline.post_leads(bodies[number]),
            },
        )
    title = "Batches of 1,000 leads over HTTP: how many times as fast as the baseline"
    return Finding.ratio(
        "baseline_batches", title, medians, _SIDES, 20.0, at_least=True, batches=batches
    )


def measure_reports(
    databases: Databases, url: str, actions: int, rounds: int, report_rounds: int
) -> list[Finding]:
    """Fetch the reports of all customers, and of one; `url`: a database with `actions` actions."""
    baseline_url = databases.empty(f"versus_month_{actions}")
    _copy(url, baseline_url)
    tidy(baseline_url)
    month = f"/billing/reports?period={workload.PERIOD}&limit=500"
    one = f"/billing/reports/{workload.MIDDLE_CUSTOMER}/{workload.PERIOD}"
    with product_server(url) as ours, baseline_server(baseline_url) as theirs:
        product, baseline = Client(ours), Client(theirs)
        billed = json.loads(product.get(month))["totals"]["billed"]
        single = in_turns(
            report_rounds,
            {
                "product": lambda _: product.whole(f"{one}.csv"),
                "baseline": lambda _: baseline.get(one),
            },
        )

        def get_baseline_month(_: int) -> None:
            entries = json.loads(baseline.get(month))
            total = sum(Decimal(entry["totals"]["billed"]) for entry in entries)
            if total != Decimal(billed):
                raise RuntimeError(f"the product bills {billed}, the baseline {total}")

        whole = in_turns(
            rounds,
            {"product": lambda _: product.get(month), "baseline": get_baseline_month},
            warm_up=0,
        )
    return [
        Finding.ratio(
            "baseline_reports",
            f"A month's reports of all customers ({actions:,} actions): how many times as fast "
            "as the baseline",
            whole,
            _SIDES,
            20.0,
            at_least=True,
            rounds=rounds,
            actions=actions,
        ),
        Finding.ratio(
            "baseline_report",
            f"One customer's report with its {actions // 100:,} lines: how many times as fast as "
            "the baseline",
            single,
            _SIDES,
            None,
            rounds=report_rounds,
            lines=actions // 100,
        ),
    ]


def _copy(product_url: str, baseline_url: str) -> None:
    """Create the baseline's tables, and copy the product's rows to them."""
    source = driver_connection(product_engine(product_url))
    create_tables(product_engine(baseline_url))
    target = driver_connection(product_engine(baseline_url))
    with source.cursor() as reader, target, target.cursor() as writer:
        for table, query in _COPIED.items():
            with tempfile.TemporaryFile() as data:
                reader.copy_expert(f"copy ({query}) to stdout", data)
                data.seek(0)
                writer.copy_expert(f"copy {table} from stdin", data)
