-- include: rating/standing_totals/rated_leads materialized
-- params: customer_id uuid, period date, search jsonb, is_filtered boolean
-- params: after_gross bigint, after_key uuid, max_groups int
--
-- A page of the users of an open month, the largest first, behind the one that `after_...` names.
-- Found by the name of any of the user's leads in the month. A null among `user_keys` leaves out all
-- that stands.
with totals as (
    select
        user_key, gross_cents, billed_cents, duplicate_cents, cap_cents, leads, actions, unpriced
    from standing_user_totals
    where customer_id = :customer_id
        and period = :period
        and leads > 0
        and user_key <> all (cast(:user_keys as uuid[]))
        and (
            cast(:after_gross as bigint) is null
            or (gross_cents <= :after_gross
                and (gross_cents < :after_gross or user_key > cast(:after_key as uuid)))
        )
    union all
    select
        user_key, sum(gross_cents)::bigint, sum(billed_cents)::bigint,
        sum(duplicate_cents)::bigint, sum(cap_cents)::bigint, count(*), sum(actions)::bigint,
        sum(unpriced)::bigint
    from rated_leads
    group by user_key
    having cast(:after_gross as bigint) is null
        or (sum(gross_cents) <= :after_gross
            and (sum(gross_cents) < :after_gross or user_key > cast(:after_key as uuid)))
),

page as (
    select *
    from totals
    where not :is_filtered
        or exists (
            select
            from (
                select lead_id
                from standing_lead_totals as standing
                where standing.customer_id = :customer_id
                    and standing.period = :period
                    and standing.user_key = totals.user_key
                union all
                select lead_id from rated_leads where rated_leads.user_key = totals.user_key
            ) as of_user
            join leads on leads.customer_id = :customer_id and leads.lead_id = of_user.lead_id
            where line_matches(:search, null, null, null, user_name(leads.*), null, null)
        )
    order by gross_cents desc, user_key
    limit :max_groups
)

select
    page.user_key as key, named.user_name, named.has_user, page.gross_cents, page.billed_cents,
    page.duplicate_cents, page.cap_cents, page.leads, page.actions, page.unpriced
from page
cross join lateral (
    select max(user_name(leads.*) collate "C") as user_name, bool_or(leads.has_user) as has_user
    from (
        select lead_id
        from standing_lead_totals as standing
        where standing.customer_id = :customer_id
            and standing.period = :period
            and standing.user_key = page.user_key
        union
        select lead_id from rated_leads where rated_leads.user_key = page.user_key
    ) as of_user
    join leads on leads.customer_id = :customer_id and leads.lead_id = of_user.lead_id
) as named
order by page.gross_cents desc, page.user_key
