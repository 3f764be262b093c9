"""What waits for a person: quarantined leads, parked customers, months that nobody closed.

Invariant: one statement over indexes, cheap enough to be asked every minute.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.observability.metrics import Metric

_DAYS_TO_CLOSE = 7

# A customer is overdue when an action of a month that ended a week ago is on no final report.
_STATEMENT = text(
    """
    select
        (select count(*) from quarantined_leads where replayed_at is null) as quarantined,
        (select count(distinct customer_id) from parked_customers) as parked,
        (
            select count(*)
            from customers
            left join lateral (
                select max(period) + interval '1 month' as closed_until
                from billing_reports
                where billing_reports.customer_id = customers.customer_id
            ) as closed on true
            where exists (
                select
                from actions
                where actions.customer_id = customers.customer_id
                    and actions.timestamp < date_trunc(
                        'month', (now() - make_interval(days => :days)) at time zone timezone
                    ) at time zone timezone
                    and (
                        closed_until is null
                        or actions.timestamp >= closed_until at time zone timezone
                    )
            )
        ) as overdue
    """
)


def pending_work(session: Session) -> dict[Metric, int]:
    """How many leads wait in quarantine, customers are parked, and customers are overdue."""
    row = session.execute(_STATEMENT, {"days": _DAYS_TO_CLOSE}).one()
    return {
        Metric.QUARANTINED_NOW: row.quarantined,
        Metric.PARKED_NOW: row.parked,
        Metric.OVERDUE_NOW: row.overdue,
    }
