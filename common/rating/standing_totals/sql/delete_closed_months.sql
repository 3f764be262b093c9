-- params: customer_ids uuid[]
--
-- Deletes the standing totals of closed months: their final reports hold what they come to.
with closed as materialized (
    select customer_id, closed_through
    from customers
    where customer_id = any (cast(:customer_ids as uuid[])) and closed_through is not null
),

months as (
    delete from standing_month_totals as standing
    using closed
    where standing.customer_id = closed.customer_id and standing.period <= closed.closed_through
),

parts as (
    delete from standing_part_totals as standing
    using closed
    where standing.customer_id = closed.customer_id and standing.period <= closed.closed_through
),

users as (
    delete from standing_user_totals as standing
    using closed
    where standing.customer_id = closed.customer_id and standing.period <= closed.closed_through
)

delete from standing_lead_totals as standing
using closed
where standing.customer_id = closed.customer_id and standing.period <= closed.closed_through
