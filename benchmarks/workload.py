"""The data of the benchmarks: batches of leads as senders post them, and a month of actions.

Invariant: the same arguments give the same data, so both sides of a ratio do the same work.
"""

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from common import identifiers

PERIOD = "2024-04"
LEAD_TYPES = ("Website Visit", "Social Media", "Email Campaign", "Webinar", "Demo Request")
LEVELS = ("Low", "Low", "Low", "Medium", "Medium", "High")
ACTION_TYPES = (
    "Page View",
    "Video Watched",
    "Form Submission",
    "Email Open",
    "Link Click",
    "Reply",
    "Like",
    "Share",
    "Registration",
    "Attendance",
)
PRODUCTS = [f"product-{number}" for number in range(1, 9)]
CUSTOMERS = [f"customer-{number}" for number in range(1, 101)]
LARGE_CUSTOMER, MIDDLE_CUSTOMER = CUSTOMERS[:2]  # with a tenth and a hundredth of all actions
ACTIONS_PER_LEAD = 5

_START = datetime(2024, 4, 1, tzinfo=UTC)


def batch(seed: int, leads: int) -> list[dict[str, Any]]:
    """New leads of April 2024 with five actions each; one lead in ten has no user."""
    chance = random.Random(seed)
    return [_lead(chance) for _ in range(leads)]


def body(leads: list[dict[str, Any]] | dict[str, Any]) -> bytes:
    """The leads as a request body."""
    return json.dumps(leads, separators=(",", ":")).encode()


def _lead(chance: random.Random) -> dict[str, Any]:
    created_at = _START + timedelta(days=25) * chance.random()
    lead: dict[str, Any] = {
        "lead_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "customer_id": chance.choice(CUSTOMERS),
        "product_id": chance.choice(PRODUCTS),
        "lead_type": chance.choice(LEAD_TYPES),
        "created_at": _timestamp(created_at),
        "actions": [
            {
                "action_type": chance.choice(ACTION_TYPES),
                "timestamp": _timestamp(created_at + timedelta(days=4) * chance.random()),
                "engagement_level": chance.choice(LEVELS),
            }
            for _ in range(ACTIONS_PER_LEAD)
        ],
    }
    if chance.random() < 0.9:
        lead["user"] = {"email": f"user-{chance.randrange(20_000)}@example.com"}
    return lead


def _timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def register(connection: Connection) -> None:
    """Insert the customers and products of the workload into the product's tables."""
    connection.execute(
        text(
            "insert into customers (customer_id, external_id, name, email) "
            "values (:id, :external, :external, :external || '@example.com')"
        ),
        [{"id": identifiers.customer_id(name), "external": name} for name in CUSTOMERS],
    )
    connection.execute(
        text(
            "insert into products (product_id, external_id, name) "
            "values (:id, :external, :external)"
        ),
        [{"id": identifiers.product_id(name), "external": name} for name in PRODUCTS],
    )


# A user has about twenty actions in the month; some have a few and some hundreds. Leads are stored
# in the order of their creation, as if they had arrived then. The user keys are plain MD5 hashes
# instead of keyed hashes, which makes no difference for the measured statements.
_LEADS = """
insert into leads (
    lead_id, external_id, customer_id, product_id, lead_type, user_key, has_user, known_by,
    user_email, created_at, received_at
)
select
    lead_id, 'lead-' || number, customer_id,
    (cast(:products as uuid[]))[1 + floor(product * 8)],
    (cast(:lead_types as text[]))[1 + floor(lead_type * 5)],
    md5(customer_id::text || user_number)::uuid, true, 'email',
    'user-' || user_number || '@example.com', created_at, created_at
from (
    select
        number, lead_id, (cast(:customers as uuid[]))[customer_number] as customer_id,
        floor(power(random(), 2) * case customer_number
            when 1 then 0.1 when 2 then 0.01 else 0.89 / 98
        end * cast(:leads as int) / 4)::int as user_number,
        random() as product, random() as lead_type,
        cast(:start as timestamptz) + random() * interval '27 days' as created_at
    from (
        select number, lead_id, customer_number
        from unnest(cast(:lead_ids as uuid[]), cast(:customer_numbers as int[]))
            with ordinality as lead (lead_id, customer_number, number)
    ) as numbered
) as made
order by created_at
"""
_SMALL_CUSTOMERS = """
insert into customers (customer_id, external_id, name, email)
select customer_id, name, name, name || '@example.com'
from unnest(cast(:ids as uuid[]), cast(:names as text[])) as customer (customer_id, name)
"""
_LEADS_OF_SMALL_CUSTOMERS = """
insert into leads (
    lead_id, external_id, customer_id, product_id, lead_type, user_key, has_user, created_at,
    received_at
)
select
    lead_id, 'lead-' || number, customer_id,
    (cast(:products as uuid[]))[1 + number % 8], (cast(:lead_types as text[]))[1 + number % 5],
    md5(customer_id::text || number / 4)::uuid, true,
    cast(:start as timestamptz) + number * interval '1 day',
    cast(:start as timestamptz) + number * interval '1 day'
from unnest(
    cast(:lead_ids as uuid[]), cast(:owners as uuid[]), cast(:numbers as int[])
) as lead (lead_id, customer_id, number)
"""
_ACTIONS = """
insert into actions (
    lead_id, action_id, customer_id, product_id, user_key, lead_type, lead_created_at,
    action_type, action_key, engagement_level, timestamp, occurrence, received_at
)
select
    lead_id, md5(lead_id::text || number)::uuid, customer_id, product_id, user_key, lead_type,
    created_at, action_type, lower(action_type),
    (cast(:levels as text[]))[1 + floor(level * 6)]::engagement_level,
    timestamp, 1, timestamp
from (
    select
        leads.*, number, random() as level,
        (cast(:action_types as text[]))[1 + floor(random() * 10)] as action_type,
        created_at + random() * interval '2 days' as timestamp
    -- Lead by lead, as storing them does, and not five times through all leads.
    from leads
    cross join lateral generate_series(1, case when lead_id is null then 0 else 5 end) as number
) as made
"""


def _customer_number(lead: int) -> int:
    """Which customer a lead is of, from 1: the first has 10%, the second 1%, 98 share the rest."""
    place = lead % 100
    if place <= 10:
        return 1 if place < 10 else 2
    return 3 + (lead // 100 * 89 + place) % 98


def store_month(connection: Connection, actions: int) -> None:
    """Store `actions` actions of April 2024 for all customers, five per lead.

    Drops the indexes first and builds them afterwards, which is faster.
    """
    register(connection)
    leads = actions // ACTIONS_PER_LEAD
    customers = [identifiers.customer_id(name) for name in CUSTOMERS]
    numbers = [_customer_number(lead) for lead in range(1, leads + 1)]
    parameters: dict[str, Any] = {
        "leads": leads,
        "lead_ids": [
            str(identifiers.lead_id(customers[number - 1], f"lead-{lead}"))
            for lead, number in enumerate(numbers, 1)
        ],
        "customer_numbers": numbers,
        "customers": [str(customer) for customer in customers],
        "products": [str(identifiers.product_id(name)) for name in PRODUCTS],
        "lead_types": list(LEAD_TYPES),
        "levels": list(LEVELS),
        "action_types": list(ACTION_TYPES),
        "start": _START,
    }
    connection.exec_driver_sql("select setseed(0.5)")
    for table, statement in (("leads", _LEADS), ("actions", _ACTIONS)):
        connection.exec_driver_sql(f"alter table {table} disable trigger user")
        indexes = _dropped_indexes(connection, table)
        connection.execute(text(statement), parameters)
        for create in indexes:
            connection.exec_driver_sql(create)
        connection.exec_driver_sql(f"alter table {table} enable trigger user")
    _fill_backlog(connection)


def store_customers(connection: Connection, customers: int, actions: int) -> None:
    """Store April 2024 of many small customers, each with `actions` actions, five per lead."""
    register(connection)
    names = [f"small-customer-{number}" for number in range(customers)]
    ids = [identifiers.customer_id(name) for name in names]
    leads = [(owner, number) for owner in ids for number in range(actions // ACTIONS_PER_LEAD)]
    parameters: dict[str, Any] = {
        "ids": [str(owner) for owner in ids],
        "names": names,
        "lead_ids": [str(identifiers.lead_id(owner, f"lead-{number}")) for owner, number in leads],
        "owners": [str(owner) for owner, _ in leads],
        "numbers": [number for _, number in leads],
        "products": [str(identifiers.product_id(name)) for name in PRODUCTS],
        "lead_types": list(LEAD_TYPES),
        "levels": list(LEVELS),
        "action_types": list(ACTION_TYPES),
        "start": _START,
    }
    connection.execute(text(_SMALL_CUSTOMERS), parameters)
    connection.execute(text(_LEADS_OF_SMALL_CUSTOMERS), parameters)
    connection.execute(text(_ACTIONS), parameters)
    _fill_backlog(connection)


def _fill_backlog(connection: Connection) -> None:
    """As storing the leads one batch after the other would (common/leads/sql/ingest_leads.sql)."""
    connection.exec_driver_sql(
        "insert into rating_backlog (customer_id, user_key, first_at, last_at) "
        "select customer_id, user_key, min(timestamp), max(timestamp) from actions group by 1, 2"
    )


def _dropped_indexes(connection: Connection, table: str) -> list[str]:
    """Drop the table's indexes and return the statements that create them again."""
    rows = connection.execute(
        text(
            "select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition, "
            "pg_get_constraintdef(pg_constraint.oid) as constraint_definition "
            "from pg_index left join pg_constraint on conindid = indexrelid "
            "where indrelid = cast(:table as regclass) "
            "and not exists (select from pg_constraint where confrelid = indrelid)"
        ),
        {"table": table},
    ).all()
    statements = []
    for row in rows:
        if row.constraint_definition is None:
            connection.exec_driver_sql(f"drop index {row.name}")
            statements.append(row.definition)
        else:
            connection.exec_driver_sql(f"alter table {table} drop constraint {row.name}")
            statements.append(
                f"alter table {table} add constraint {row.name} {row.constraint_definition}"
            )
    return statements
