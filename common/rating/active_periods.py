"""Which billing periods have actions."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, text

from common.rating.scope import range_parameters

_ACTIVE_PERIODS = text(
    """
with recursive bounded as (
    select
        customer_id, timezone,
        coalesce(
            cast(:from_instant as timestamptz),
            local_midnight(cast(:from_date as date), timezone),
            '-infinity'
        ) as starts_at,
        coalesce(
            cast(:to_instant as timestamptz),
            local_midnight(cast(:to_date as date), timezone),
            'infinity'
        ) as ends_at
    from customers
    where cast(:customer_id as uuid) is null or customer_id = :customer_id
),

-- From each month with actions straight to the next one, by the index.
active as (
    select bounded.*, billing_period_of(first.timestamp, timezone) as month
    from bounded
    cross join lateral (
        select timestamp from actions
        where actions.customer_id = bounded.customer_id
            and timestamp >= bounded.starts_at and timestamp < bounded.ends_at
        order by timestamp limit 1
    ) as first
    union all
    select
        active.customer_id, active.timezone, active.starts_at, active.ends_at,
        billing_period_of(next.timestamp, timezone)
    from active
    cross join lateral (
        select timestamp from actions
        where actions.customer_id = active.customer_id
            and timestamp >= local_midnight(
                (active.month + interval '1 month')::date, active.timezone
            )
            and timestamp < active.ends_at
        order by timestamp limit 1
    ) as next
)

select customer_id, month as period from active
"""
)


def active_periods(
    connection: Connection,
    customer_id: UUID | None,
    start: date | datetime | None,
    end: date | datetime | None,
) -> list[tuple[UUID, date]]:
    """The customers and months that have an action from `start` on and before `end`."""
    rows = connection.execute(
        _ACTIVE_PERIODS,
        {"customer_id": customer_id and str(customer_id)} | range_parameters(start, end),
    )
    return [(row.customer_id, row.period) for row in rows]


_LEAD_PERIODS = text(
    """
select distinct billing_period_of(timestamp, timezone) as period
from actions
join customers using (customer_id)
where lead_id = :lead_id
order by period
"""
)


def lead_periods(connection: Connection, lead_id: UUID) -> list[date]:
    """The months that a lead's actions belong to."""
    return list(connection.scalars(_LEAD_PERIODS, {"lead_id": str(lead_id)}))
