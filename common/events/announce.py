"""Announcing events: into the outbox, in the transaction of what they tell.

Invariant: what is rolled back is told nobody, and what is committed is told every webhook that
wants it. A statement that causes an event itself inserts the same rows
(common/closing/sql/close_month.sql, common/leads/sql/ingest_leads.sql).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.events.event_types import EventType
from common.identifiers import NO_CUSTOMER

_ANNOUNCE = text(load_statement("events", "announce"))


def announce(
    session: Session, customer_id: UUID | None, event: EventType, data: Mapping[str, Any]
) -> None:
    """Tells the webhooks of a customer, and those of the operator, once the session commits.

    `customer_id` is None for an event of no customer: only the operator is told. `data` holds ids
    and results, as JSON carries them: external ids, amounts as decimal text, nothing of a person.
    """
    session.execute(
        _ANNOUNCE,
        {
            "customer_id": customer_id or NO_CUSTOMER,
            "event_type": event.value,
            "data": to_json(data).decode(),
        },
    )
