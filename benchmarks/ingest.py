"""Measure ingestion: batches against COPY, a single lead against its statement, and phone numbers.

The server does not catch up meanwhile: the other sides do not either (benchmarks/standing.py).
"""

import io
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from benchmarks import workload
from benchmarks.measure import Finding, in_turns
from benchmarks.servers import (
    Client,
    Databases,
    Server,
    driver_connection,
    product_engine,
    product_server,
    statements_sent,
    tidy,
)
from common.leads.ingestion import ingest_leads
from common.leads.parsing import read_leads
from common.normalization import is_international, phone_key
from common.settings import settings

LEADS_PER_BATCH = 1_000
_WARM_UP_BATCHES = 3
_WARM_UP_LEADS = 30
_PHONES = (  # as people write international numbers; each 0 is any digit
    "+49 30 1000000",
    "+1 (212) 555-0000",
    "+44 20 7946 0000",
    "+33 1 23 00 00 00",
    "+31.6.12000000",
    "+91 98765 00000",
)
_PHONES_AT_MOST = 15.0  # percent
_COPIED = {
    "leads": (
        "lead_id, external_id, customer_id, product_id, lead_type, user_key, has_user, "
        "known_by, unusable, user_email, user_phone, user_external_id, created_at",
        "customer_id, lead_id",
    ),
    "actions": (
        "lead_id, action_id, customer_id, product_id, user_key, lead_type, lead_created_at, "
        "action_type, action_key, engagement_level, timestamp, occurrence",
        "customer_id, lead_id, action_id",
    ),
}
_Parameters = tuple[list[str], str]  # the customers to lock, and the leads as JSON


def measure(databases: Databases, batches: int, singles: int) -> list[Finding]:
    """Measure the statement, COPY and HTTP, each in its own database."""
    engines = {
        name: _engine_with_customers(databases.migrated(f"ingest_{name}"))
        for name in ("draft", "statement", "copy")
    }
    http_url = databases.migrated("ingest_http")
    http_engine = _engine_with_customers(http_url)
    with product_server(http_url, catches_up=False) as server:
        client = Client(server)
        findings = _batches_against_copy(engines, client, batches)
        # Until then the server's connections have plans that were made on empty tables.
        for engine in (engines["statement"], http_engine):
            tidy(engine.url.render_as_string(hide_password=False))
        return [
            *findings,
            *_single_against_statement(engines, client, server, singles),
            _phones(client, server, batches),
        ]


def _engine_with_customers(url: str) -> Engine:
    engine = product_engine(url)
    with engine.begin() as connection:
        workload.register(connection)
    return engine


def _batches_against_copy(
    engines: Mapping[str, Engine], client: Client, batches: int
) -> list[Finding]:
    bodies = [
        workload.body(workload.batch(seed, LEADS_PER_BATCH))
        for seed in range(_WARM_UP_BATCHES + batches)
    ]
    prepare, executions = _statements(engines["draft"], bodies)
    prepared = _Prepared(engines["statement"], prepare)
    draft = driver_connection(engines["draft"])
    rows = [_rows_to_copy(draft, leads) for _, (_, leads) in executions]
    target = driver_connection(engines["copy"])

    def copy(number: int) -> None:
        with target, target.cursor() as cursor:
            for (table, (columns, _)), data in zip(_COPIED.items(), rows[number], strict=True):
                data.seek(0)
                cursor.copy_expert(f"copy {table} ({columns}) from stdin", data)

    medians = in_turns(
        batches,
        {
            "copy": copy,
            "statement": lambda number: prepared.execute(*executions[number]),
            "http": lambda number: client.post_leads(bodies[number]),
        },
        warm_up=_WARM_UP_BATCHES,
    )
    return [
        Finding.ratio(name, title, medians, ("copy", side), target, at_least=True, batches=batches)
        for name, side, target, title in (
            (
                *("batch_statement", "statement", 0.60),
                "Batch of 1,000 leads of 5 actions: the statement, against COPY of the same rows",
            ),
            (
                *("batch_http", "http", 0.45),
                "The same batch over HTTP, through gateway and handler, against COPY",
            ),
        )
    ]


def _single_against_statement(
    engines: Mapping[str, Engine], client: Client, server: Server, singles: int
) -> list[Finding]:
    leads = workload.batch(seed=1_000_000, leads=_WARM_UP_LEADS + singles)
    bodies = [workload.body(lead) for lead in leads]
    prepare, executions = _statements(engines["draft"], bodies)
    prepared = _Prepared(engines["statement"], prepare)
    before = server.processor_seconds()
    medians = in_turns(
        singles,
        {
            "statement": lambda number: prepared.execute(*executions[number]),
            "http": lambda number: client.post_leads(bodies[number]),
        },
        warm_up=_WARM_UP_LEADS,
    )
    processor_ms = (server.processor_seconds() - before) * 1000 / len(leads)
    title = "A single lead over HTTP, p50, against the bare statement's p50"
    return [
        Finding.ratio("single_http", title, medians, ("http", "statement"), 3.0, leads=singles),
        Finding(
            "single_processor",
            "Processor time of the server for a single lead, gateway and handler",
            processor_ms,
            2.5,
            unit=" ms",
        ),
    ]


def _phones(client: Client, server: Server, batches: int) -> Finding:
    """Normalizing the numbers of batches that have one in each lead, as the function does."""
    chance = random.Random(1)
    normalizing = serving = 0.0
    for number in range(_WARM_UP_BATCHES + batches):
        leads = workload.batch(2_000_000 + number, LEADS_PER_BATCH)
        phones = [_phone(chance) for _ in leads]
        for lead, phone in zip(leads, phones, strict=True):
            lead["user"] = {"phone": phone}
        body = workload.body(leads)
        phone_key.cache_clear()
        began = time.process_time(), server.processor_seconds()
        for phone in phones:
            is_international(phone)
            phone_key(phone, None)
        normalized = time.process_time()
        client.post_leads(body)
        if number >= _WARM_UP_BATCHES:
            normalizing += normalized - began[0]
            serving += server.processor_seconds() - began[1]
    return Finding(
        "phones",
        f"Normalizing a plain international phone number in each lead of a batch of "
        f"{LEADS_PER_BATCH:,}, of the processor time of function and gateway for the batch",
        100 * normalizing / serving,
        _PHONES_AT_MOST,
        unit="%",
        details={
            "normalizing_ms": round(normalizing * 1000 / batches, 2),
            "server_ms": round(serving * 1000 / batches, 2),
            "batches": batches,
        },
    )


def _phone(chance: random.Random) -> str:
    form = chance.choice(_PHONES)
    return "".join(str(chance.randrange(10)) if sign == "0" else sign for sign in form)


class _Prepared:
    """The product's statement on its own connection. Each execution is a transaction."""

    def __init__(self, engine: Engine, prepare: str) -> None:
        connection = driver_connection(engine)
        connection.autocommit = True
        self._cursor = connection.cursor()
        self._cursor.execute(prepare, ())

    def execute(self, statement: str, parameters: _Parameters) -> None:
        self._cursor.execute(statement, parameters)
        if any(row[1] != "created" for row in self._cursor.fetchall()):
            raise RuntimeError("a lead of the benchmark was not new")


def _statements(draft: Engine, bodies: list[bytes]) -> tuple[str, list[tuple[str, _Parameters]]]:
    """Store the bodies; the PREPARE statement that the product sends, and each execution."""
    draft.dispose()  # a new connection prepares the statement again
    with statements_sent(draft) as sent:
        for body in bodies:
            leads = read_leads(body, datetime.now(UTC), settings()).leads
            with draft.begin() as connection:
                ingest_leads(connection, leads, settings())
    (prepare,) = (statement for statement, _ in sent if statement.startswith("prepare"))
    return prepare, [pair for pair in sent if "execute ingest_leads" in pair[0]]


def _rows_to_copy(connection: Any, leads: str) -> list[io.StringIO]:
    """The rows that the statement has stored for these leads, in the order of its inserts."""
    tables = []
    with connection.cursor() as cursor:
        for table, (columns, order) in _COPIED.items():
            data = io.StringIO()
            query = cursor.mogrify(
                f"select {columns} from {table} where lead_id in "
                "(select (item ->> 'lead_id')::uuid from json_array_elements(%s) as item) "
                f"order by {order}",
                (leads,),
            ).decode()
            cursor.copy_expert(f"copy ({query}) to stdout", data)
            tables.append(data)
    return tables
