-- include: rating/standing_totals/rated_leads materialized
-- params: customer_id uuid, period date, after_gross bigint, after_user uuid, max_users int
--
-- What each user of an open month comes to, the largest first: at most `max_users` behind the user
-- that `after_...` names. A null among `user_keys` leaves out all that stands. A user is called as
-- on one of its leads of the month.
with page as materialized (
    (
        select
            user_key, gross_cents, billed_cents, duplicate_cents, cap_cents, leads, actions
        from standing_user_totals
        where customer_id = :customer_id
            and period = :period
            and leads > 0
            and user_key <> all (cast(:user_keys as uuid[]))
            and (
                cast(:after_gross as bigint) is null
                or (gross_cents <= :after_gross
                    and (gross_cents < :after_gross or user_key > cast(:after_user as uuid)))
            )
        order by gross_cents desc, user_key
        limit :max_users
    )
    union all
    select
        user_key, sum(gross_cents)::bigint, sum(billed_cents)::bigint,
        sum(duplicate_cents)::bigint, sum(cap_cents)::bigint, count(*), sum(actions)::bigint
    from rated_leads
    group by user_key
    having cast(:after_gross as bigint) is null
        or (sum(gross_cents) <= :after_gross
            and (sum(gross_cents) < :after_gross or user_key > cast(:after_user as uuid)))
    order by gross_cents desc, user_key
    limit :max_users
)

select
    page.user_key::text as user_key, named.user_name, page.gross_cents, page.billed_cents,
    page.duplicate_cents, page.cap_cents, page.leads, page.actions
from page
cross join lateral (
    select max(leads.user_name) as user_name
    from (
        select lead_id
        from standing_lead_totals
        where standing_lead_totals.customer_id = :customer_id
            and standing_lead_totals.period = :period
            and standing_lead_totals.user_key = page.user_key
        union
        select lead_id from rated_leads where rated_leads.user_key = page.user_key
    ) as of_user
    cross join lateral (
        select user_name(leads.*) as user_name
        from leads
        where leads.customer_id = :customer_id and leads.lead_id = of_user.lead_id
        offset 0
    ) as leads
) as named
order by page.gross_cents desc, page.user_key
