"""Measure files: an export of all lines of a month, and an import of as many rows, over HTTP."""

import csv
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import billing, workload
from benchmarks.ingest import LEADS_PER_BATCH
from benchmarks.measure import Finding
from benchmarks.servers import (
    Client,
    Databases,
    Memory,
    product_engine,
    product_server,
    watched_memory,
)
from common.rating.standing_totals.catch_up import catch_up

_MILLION = 1_000_000
_MEBIBYTE = 1024 * 1024
_MAX_GROWTH = 64.0  # MiB that a server may gain, whatever the size of the file
_LONGEST_EXPORT = 60.0  # seconds for a million lines
_SHARE_OF_HTTP = 0.5
_OTHER_LEADS = 1_000_000_000  # a seed behind those of the file
_COLUMNS = (
    "lead_id",
    "customer_id",
    "product_id",
    "lead_type",
    "created_at",
    "email",
    "action_type",
    "timestamp",
    "engagement_level",
)
# A step of the worker that found nothing looks again soon, so waiting is no part of the figures.
_IMPATIENT = {"WORKER_PAUSE_SECONDS": "0.1"}


def measure(databases: Databases, actions: int, rows: int, batches: int) -> list[Finding]:
    """A month of `actions` lines, and a file of `rows` leads beside `batches` of them as JSON."""
    return [*_exports(databases, actions), *_import(databases, rows, batches)]


def _exports(databases: Databases, actions: int) -> list[Finding]:
    url = billing.stored_month(databases, actions, "exports")
    product_engine(url)
    catch_up()
    findings = []
    with product_server(url, 1, environment=_IMPATIENT) as server:
        client = Client(server)
        client.get("/health/ready")
        for status in ("draft", "final"):
            if status == "final":
                client.post(f"/billing/periods/{workload.PERIOD}/close")
            with watched_memory(server) as memory:
                began = time.perf_counter()
                exported = _export(client)
                took = time.perf_counter() - began
            if exported["rows_done"] != actions:
                raise RuntimeError(f"the export holds {exported['rows_done']} lines")
            findings += [
                Finding(
                    f"export_{status}",
                    f"An export of the {actions:,} lines of a {status} month of all customers as "
                    "CSV, for a million lines",
                    took * _MILLION / actions,
                    _LONGEST_EXPORT,
                    " s",
                    details={"export_ms": round(took * 1000, 2), "actions": actions},
                ),
                _growth(f"export_{status}_memory", f"makes the export of a {status} month", memory),
            ]
    return findings


def _export(client: Client) -> dict[str, Any]:
    """Orders an export of all lines and waits for its file."""
    order = {"kind": "lines", "format": "csv", "period": workload.PERIOD}
    export: dict[str, Any] = json.loads(client.post("/exports", json.dumps(order).encode()))
    while export["status"] not in {"ready", "failed"}:
        time.sleep(0.1)
        export = json.loads(client.get(f"/exports/{export['export_id']}"))
    if export["status"] == "failed":
        raise RuntimeError(f"the export failed: {export['error']}")
    return export


def _import(databases: Databases, rows: int, batches: int) -> list[Finding]:
    """Leads of one action each, from a file in the inbox and in batches over HTTP."""
    url = databases.migrated("imports")
    engine = product_engine(url)
    with engine.begin() as connection:
        workload.register(connection)
    with tempfile.TemporaryDirectory() as folder:
        inbox = Path(folder) / "inbox"
        inbox.mkdir()
        prepared = Path(folder) / "leads.csv"
        _write_rows(prepared, rows)
        bodies = [workload.body(_leads(_OTHER_LEADS + seed)) for seed in range(batches + 1)]
        environment = _IMPATIENT | {"INBOX_DIR": str(inbox)}
        with product_server(url, 1, environment=environment) as server:
            client = Client(server)
            client.get("/health/ready")
            client.post_leads(bodies.pop())
            began = time.perf_counter()
            for body in bodies[: batches // 2]:
                client.post_leads(body)
            http = time.perf_counter() - began
            with watched_memory(server) as memory:
                began = time.perf_counter()
                prepared.rename(inbox / prepared.name)
                _wait_for_import(Path(folder))
                imported = time.perf_counter() - began
            began = time.perf_counter()
            for body in bodies[batches // 2 :]:
                client.post_leads(body)
            http += time.perf_counter() - began
    per_lead = {"http": http / batches / LEADS_PER_BATCH, "import": imported / rows}
    return [
        Finding(
            "import_rate",
            f"An import of {rows:,} rows of a CSV, against the same leads in batches over HTTP",
            per_lead["http"] / per_lead["import"],
            _SHARE_OF_HTTP,
            at_least=True,
            details={
                f"{side}_of_a_thousand_ms": round(took * 1_000_000, 2)
                for side, took in per_lead.items()
            }
            | {"rows": rows},
        ),
        _growth("import_memory", f"imports {rows:,} rows", memory),
    ]


def _leads(seed: int) -> list[dict[str, Any]]:
    """A batch of new leads with their first action alone."""
    leads = workload.batch(seed, LEADS_PER_BATCH)
    return [lead | {"actions": lead["actions"][:1]} for lead in leads]


def _write_rows(path: Path, rows: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for seed in range(rows // LEADS_PER_BATCH):
            for lead in _leads(seed):
                (action,) = lead["actions"]
                writer.writerow(
                    [
                        *(lead[name] for name in _COLUMNS[:5]),
                        lead.get("user", {}).get("email", ""),
                        *(action[name] for name in _COLUMNS[6:]),
                    ]
                )
    an_hour_ago = time.time() - 3600  # the inbox waits until a file is no longer written to
    os.utime(path, (an_hour_ago, an_hour_ago))


def _wait_for_import(beside_inbox: Path) -> None:
    """Waits until the file stands in `done`. Raises RuntimeError for a row that was refused."""
    while not any(beside_inbox.glob("done/*")):
        if any(beside_inbox.glob("refused/*")):
            raise RuntimeError("the file was refused")
        time.sleep(0.1)
    if any(beside_inbox.glob("refused/*")):
        raise RuntimeError("some rows were refused")


def _growth(name: str, does: str, memory: Memory) -> Finding:
    reached = (memory.peak - memory.before) / _MEBIBYTE
    title = f"Memory that the server gains while it {does}"
    return Finding(name, title, reached, _MAX_GROWTH, " MiB")
