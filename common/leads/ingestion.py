"""Ingestion: storing the valid leads of one request in one round trip.

Invariant: sending a lead again changes nothing (docs/billing-rules.md, The same lead again).
Nothing here commits; the caller's transaction does, and it must be READ COMMITTED.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Row
from sqlalchemy.orm import Session

from common import identifiers
from common.database.deployment import require_known_hash_key
from common.database.locks import SHARE_CUSTOMERS, shared_by
from common.database.prepared import PreparedStatement
from common.database.sql_loader import load_statement
from common.identifiers import UserKind
from common.leads.results import NO_USER, Result, Status
from common.leads.schemas import Lead
from common.problems import FieldError
from common.settings import MissingUser, Settings

_INGEST_LEADS = PreparedStatement("ingest_leads", load_statement("leads", "ingest_leads"))
# Two statements in one round trip. The second takes its snapshot when the first has the locks, so
# it sees whether a period is closed and a user erased.
_LOCK_AND_INGEST = f"{SHARE_CUSTOMERS}; execute ingest_leads (%s)"


def ingest_leads(
    session: Session,
    leads: Mapping[int, Lead],
    settings: Settings,
    erased: UUID | None = None,
) -> list[Result]:
    """Stores valid leads and says what became of each.

    `leads` is keyed by each one's place in its request, and the results name that place. `erased`
    is the key of the user behind leads that name them no more.
    """
    if not leads:
        return []
    batch = _Batch(leads, settings, erased)
    connection = session.connection()
    if not _INGEST_LEADS.is_prepared(session):
        require_known_hash_key(session, settings)
        _INGEST_LEADS.prepare(session)
    parameter = batch.parameter()
    rows = connection.exec_driver_sql(_LOCK_AND_INGEST, (batch.customers(), parameter))
    return batch.results(rows)


class _Batch:
    """The leads of one request as the statement takes them.

    A lead that stands in the request several times, with the same attributes, goes in once with
    the union of its actions; what was added is then told apart again.
    """

    def __init__(self, leads: Mapping[int, Lead], settings: Settings, erased: UUID | None) -> None:
        self._leads = leads
        self._settings = settings
        self._erased = erased
        self._items: dict[int, dict[str, Any]] = {}
        self._merged: dict[int, list[int]] = {}  # first index -> the index each action came from
        self._repeats: dict[int, int] = {}  # a repeat's index -> its first index

    def parameter(self) -> str:
        """The statement's one parameter: a JSON array of items."""
        by_identity: dict[tuple[object, ...], int] = {}
        for index, lead in self._leads.items():
            item = self._item(index, lead)
            identity = (
                item["lead_id"],
                item["product_id"],
                lead.lead_type,
                item["user_key"],
                lead.created_at,
            )
            first = by_identity.setdefault(identity, index)
            if first == index:
                self._items[index] = item
            else:
                self._merge(first, index, item)
        return to_json(list(self._items.values())).decode()

    def customers(self) -> list[str]:
        """The customers of the batch, in the order in which they are locked."""
        return shared_by(item["customer_id"] for item in self._items.values())

    def results(self, rows: Iterable[Row[Any]]) -> list[Result]:
        """What became of every lead of the request."""
        answered = {row.item: row for row in rows}
        results = []
        for index, lead in self._leads.items():
            first = self._repeats.get(index, index)
            row = answered[first]
            status, added = Status(row.status), row.actions_added
            if first in self._merged and status.is_stored:
                origins = self._merged[first]
                added = sum(origins[place] == index for place in row.places_added)
                if index != first:
                    status = Status.UPDATED if added else Status.UNCHANGED
                elif status is Status.UPDATED and not added:
                    status = Status.UNCHANGED
            results.append(_result(index, lead, status, added, row))
        return results

    def _merge(self, first: int, index: int, repeat: dict[str, Any]) -> None:
        kept = self._items[first]["actions"]
        origins = self._merged.setdefault(first, [first] * len(kept))
        self._items[first]["is_merged"] = True
        self._repeats[index] = first
        known = {_identity(action) for action in kept}
        for action in repeat["actions"]:
            if _identity(action) not in known:
                kept.append(action)
                origins.append(index)
        for place, action in enumerate(kept):
            action["place"] = place

    def _item(self, index: int, lead: Lead) -> dict[str, Any]:
        customer_id = identifiers.customer_id(lead.customer_id)
        lead_id = identifiers.lead_id(customer_id, lead.lead_id)
        user = lead.user
        if user is not None:
            kind, value = user.identity()
        elif self._settings.missing_user is MissingUser.PER_LEAD:
            kind, value = UserKind.LEAD, str(lead_id)
        else:
            kind, value = UserKind.NOBODY, ""
        return {
            "item": index,
            "lead_id": lead_id,
            "external_id": lead.lead_id,
            "customer_id": customer_id,
            "customer": lead.customer_id,
            "product_id": identifiers.product_id(lead.product_id),
            "product": lead.product_id,
            "lead_type": lead.lead_type,
            "user_key": self._erased
            or identifiers.user_key(self._settings.user_secret, customer_id, kind, value),
            "has_user": user is not None or self._erased is not None,
            "user_email": user and user.email,
            "user_phone": user and user.phone,
            "user_external_id": user and user.external_id,
            "created_at": lead.created_at.astimezone(UTC),
            "is_merged": False,
            "actions": _actions(lead),
        }


def _actions(lead: Lead) -> list[dict[str, Any]]:
    actions = [
        {
            "type": action.action_type,
            "key": identifiers.action_key(action.action_type),
            "level": action.engagement_level.capitalize(),
            # PostgreSQL reads offsets of less than 16 hours, RFC 3339 has them up to 23:59.
            "at": action.timestamp.astimezone(UTC),
        }
        for action in lead.actions
    ]
    counts: dict[tuple[object, ...], int] = {}
    for action in actions:
        same = (action["at"], action["key"], action["level"])
        counts[same] = counts.get(same, 0) + 1
        if counts[same] > 1:
            action["n"] = counts[same]
    return actions


def _identity(action: Mapping[str, Any]) -> tuple[object, ...]:
    return action["at"], action["key"], action["level"], action.get("n", 1)


_UNKNOWN = {
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


def _result(index: int, lead: Lead, status: Status, added: int, row: Row[Any]) -> Result:
    result = Result(index, lead.lead_id, status, added)
    if status.is_stored:
        if lead.user is None:
            result.warnings.append(NO_USER)
    elif status is Status.QUARANTINED:
        result.errors = [_UNKNOWN[name] for name in row.unknown]
    elif status is Status.INVALID:
        result.errors = [
            FieldError("/lead_type", "unknown_lead_type", "is none of the known lead types")
        ]
    else:
        result.errors = [
            FieldError(f"/{name}", "conflict", "differs from the lead that is stored")
            for name in row.differs or ("lead_id",)
        ]
    return result
