"""Closing what is due: each month that has been over everywhere for some days of grace.

Invariant: run as often as one likes, at whatever moment, it closes each month once; what it could
not close it takes up the next time.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from common.billing_period import Period
from common.closing.runs import RunResult, run_billing
from common.database.transactions import acting_as, snapshot
from common.final_reports.closed_months import closed_months
from common.rating.periods import active_periods

MAX_GRACE_DAYS = 27  # so that a run a month, on a day that every month has, closes the one before

_LAST_ZONE = timedelta(hours=12)  # no clock is further behind UTC


def last_due(now: datetime, grace_days: int) -> Period:
    """The last month that ended at least `grace_days` days ago in every time zone."""
    return Period((now - _LAST_ZONE - timedelta(days=grace_days)).date().replace(day=1)).before


def months_due(session: Session, now: datetime, grace_days: int) -> list[Period]:
    """The open months with actions up to the last due month, oldest first.

    The last due month is among them without actions too, if a customer with actions or reports has
    it open: credits and late actions then stand on its report, and wait no longer.
    """
    last = last_due(now, grace_days)
    closed = closed_months(session)
    months = {
        month for _, month in closed.open_among(active_periods(session, None, None, last.end))
    }
    if months or any(closed.is_open(customer, last.start) for customer in closed.last):
        months.add(last.start)
    return [Period(month) for month in sorted(months)]


def close_due(now: datetime, grace_days: int, actor: str) -> Iterator[RunResult]:
    """Closes each month that is due, oldest first, and yields what its run closed."""
    with snapshot() as session:
        months = months_due(session, now, grace_days)
    for month in months:
        with acting_as(actor):
            run = run_billing(month, None, actor)
        yield run
