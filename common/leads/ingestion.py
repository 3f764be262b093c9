"""Ingestion: storing the valid leads of one request in one round trip.

Invariant: sending a lead again changes nothing (docs/billing-rules.md, The same lead again). The
transaction must be READ COMMITTED: what is stored is compared when the locks are had.
"""

from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Connection, Row

from common.database.deployment import require_known_hash_key
from common.database.engine import with_retries
from common.database.locks import SHARE_CUSTOMERS
from common.database.prepared import PreparedStatement
from common.database.sql_loader import load_statement
from common.leads.results import NO_USER, STORED, UNUSABLE, Result, Status, voided_actions
from common.leads.schemas import KeyedLead, remember_phone_region, with_keys
from common.problems import FieldError
from common.settings import Settings

_INGEST_LEADS = PreparedStatement("ingest_leads", load_statement("leads", "ingest_leads"))
# Two statements in one round trip, and in one transaction. The second takes its snapshot when the
# first has the locks, so it sees whether a period is closed and a user erased.
_LOCK_AND_INGEST = f"{SHARE_CUSTOMERS}; execute {_INGEST_LEADS.name} (%s)"

# Equal where one request holds a lead several times.
_lead_identity = itemgetter("lead_id", "product_id", "lead_type", "user_key", "created_at")


def store_leads(leads: Mapping[int, KeyedLead], settings: Settings, seconds: float) -> list[Result]:
    """Commits valid leads and says what became of each, with retries until `seconds` are over.

    Raises DatabaseUnavailable.
    """
    return with_retries(
        lambda connection, limit: ingest_leads(connection, leads, settings, limit), seconds
    )


def ingest_leads(
    connection: Connection, leads: Mapping[int, KeyedLead], settings: Settings, limit: str = ""
) -> list[Result]:
    """Stores valid leads in the connection's transaction, and says what became of each.

    `leads` is keyed by each one's place in its request, and the results name that place. `limit`
    stands before the statement.
    """
    results: list[Result] = []
    to_store = dict(leads)
    while to_store:
        batch = _Batch(to_store)
        if _INGEST_LEADS.name not in connection.info:
            require_known_hash_key(connection, settings)
            _INGEST_LEADS.prepare(connection)
        rows = connection.exec_driver_sql(limit + _LOCK_AND_INGEST, batch.parameters())
        results += batch.results(rows)
        stored = {result.index for result in results}
        to_store = {
            index: with_keys(lead.lead, settings)
            for index, lead in leads.items()
            if index not in stored
        }
    return results


class _Batch:
    """The leads of one request as the statement takes them.

    A lead that stands in the request several times, with the same attributes, goes in once with
    the union of its actions; the added actions are then counted for each original item.
    """

    def __init__(self, leads: Mapping[int, KeyedLead]) -> None:
        self._leads = leads
        self._items: dict[int, dict[str, Any]] = {}
        self._origins: dict[int, list[int]] = {}  # by first index: where each action came from
        self._first_index: dict[int, int] = {}  # by the index of a repeat
        by_identity: dict[tuple[object, ...], int] = {}
        for index, lead in leads.items():
            first = by_identity.setdefault(_lead_identity(lead.stored), index)
            if first == index:
                self._items[index] = {"item": index, **lead.stored}
            else:
                self._merge(first, index, lead.stored["actions"])

    def parameters(self) -> tuple[list[str], str]:
        """The customers to lock, and the items as a JSON array."""
        items = list(self._items.values())
        return list({str(item["customer_id"]) for item in items}), to_json(items).decode()

    def results(self, rows: Iterable[Row[Any]]) -> list[Result]:
        """What became of the leads, but for those to key anew for their customer's region."""
        answered = {row.item: row for row in rows}
        results = []
        for index, lead in self._leads.items():
            first = self._first_index.get(index, index)
            row = answered[first]
            if row.status == "other_region":
                remember_phone_region(lead.stored["customer_id"], row.phone_region)
                continue
            status, added, voided = Status(row.status), row.actions_added, row.actions_voided
            if first in self._origins and status in STORED:
                origins = self._origins[first]
                added = sum(origins[place] == index for place in row.places_added)
                voided = self._count_voided(first, lead, row.places_voided)
                if index != first or status is not Status.CREATED:
                    unchanged = Status.VOIDED if voided else Status.UNCHANGED
                    status = Status.UPDATED if added else unchanged
            result = _result(index, lead, status, added, row)
            if status in STORED and voided:
                result.warnings.append(voided_actions(voided, len(lead.lead.actions)))
            results.append(result)
        return results

    def _count_voided(self, first: int, lead: KeyedLead, places: Collection[int]) -> int:
        kept = self._items[first]["actions"]
        voided = {_action_identity(kept[place]) for place in places}
        return sum(_action_identity(action) in voided for action in lead.stored["actions"])

    def _merge(self, first: int, index: int, repeated: list[dict[str, Any]]) -> None:
        item = self._items[first]
        if not item["is_merged"]:
            item |= {"is_merged": True, "actions": [dict(action) for action in item["actions"]]}
            self._origins[first] = [first] * len(item["actions"])
        kept, origins = item["actions"], self._origins[first]
        self._first_index[index] = first
        known = {_action_identity(action): action for action in kept}
        for action in repeated:
            same = known.get(_action_identity(action))
            if same is None:
                kept.append(dict(action))
                origins.append(index)
            else:
                same["type"] = min(same["type"], action["type"])
        for place, action in enumerate(kept):
            action["place"] = place


def _action_identity(action: Mapping[str, Any]) -> tuple[object, ...]:
    return action["at"], action["key"], action["level"], action.get("n", 1)


UNKNOWN = {
    "customer_id": FieldError(
        "/customer_id",
        "unknown_customer",
        "no such customer is registered; the lead is kept until it is replayed",
    ),
    "product_id": FieldError(
        "/product_id",
        "unknown_product",
        "no such product is registered; the lead is kept until it is replayed",
    ),
}


def _result(index: int, lead: KeyedLead, status: Status, added: int, row: Row[Any]) -> Result:
    stored = lead.stored
    result = Result(index, stored["external_id"], status, added)
    if status in STORED:
        result.warnings = [UNUSABLE[name] for name in stored["unusable"]]
        if not stored["has_user"]:
            result.warnings.append(NO_USER)
    elif status is Status.QUARANTINED:
        result.errors = [UNKNOWN[name] for name in row.unknown]
    elif status is Status.INVALID:
        result.errors = [
            FieldError(
                "/lead_type",
                "unknown_lead_type",
                f"is none of the known lead types: {', '.join(row.known_types)}",
            )
        ]
    else:
        result.errors = [
            FieldError(f"/{name}", "conflict", "differs from the lead that is stored")
            for name in row.differs or ("lead_id",)
        ]
    return result
