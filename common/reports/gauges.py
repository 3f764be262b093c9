"""What waits for a person: quarantined leads, months that nobody closed, events, and others.

Invariant: one statement over indexes, cheap enough to be asked every minute.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.observability.metrics import Metric

_DAYS_TO_CLOSE = 7
_STATEMENT = text(load_statement("reports", "gauges"))


def read_gauges(session: Session) -> dict[Metric, int]:
    """How much of each kind waits."""
    row = session.execute(_STATEMENT, {"days": _DAYS_TO_CLOSE}).one()
    return {
        Metric.QUARANTINED_NOW: row.quarantined,
        Metric.PARKED_NOW: row.parked,
        Metric.OVERDUE_NOW: row.overdue,
        Metric.EVENTS_WAITING_NOW: row.events_waiting,
        Metric.WEBHOOKS_DISABLED_NOW: row.webhooks_disabled,
    }
