-- params: customer_ids uuid[], periods date[], user_keys uuid[]
--
-- What stands of the leads of some open months: of some users, as rating/rate_month.sql takes them,
-- or of all of a month where the user is null. `offset 0`: one look at the key for each user;
-- PostgreSQL 18 would skip through the whole index by the user alone.
with requested as (
    select pair.*
    from unnest(
        cast(:customer_ids as uuid[]), cast(:periods as date[]), cast(:user_keys as uuid[])
    ) as pair (customer_id, period, user_key)
    join customers
        on customers.customer_id = pair.customer_id
        and (customers.closed_through is null or customers.closed_through < pair.period)
)

select standing.*
from requested
cross join lateral (
    select
        customer_id, period, user_key, lead_id, product_id, lead_type, has_user, gross_cents,
        billed_cents, duplicate_cents, cap_cents, actions, unpriced, outcomes
    from standing_lead_totals
    where standing_lead_totals.customer_id = requested.customer_id
        and standing_lead_totals.period = requested.period
        and standing_lead_totals.user_key = requested.user_key
    offset 0
) as standing
union all
select standing.*
from requested
cross join lateral (
    select
        customer_id, period, user_key, lead_id, product_id, lead_type, has_user, gross_cents,
        billed_cents, duplicate_cents, cap_cents, actions, unpriced, outcomes
    from standing_lead_totals
    where standing_lead_totals.customer_id = requested.customer_id
        and standing_lead_totals.period = requested.period
    offset 0
) as standing
where requested.user_key is null
