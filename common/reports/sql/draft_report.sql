-- include: rating/named_lines materialized
-- params: period date, search jsonb, sort text, is_descending boolean
-- params: after_timestamp timestamptz, after_created timestamptz, after_lead uuid
-- params: after_key text, after_level engagement_level, after_occurrence int
-- params: max_lines int, skipped_lines int, max_groups int
-- params: customer_id uuid, rated_users uuid[], action_ids text[], lead_search jsonb
--
-- All that a draft shows, from one rating of its period and of the closed periods with late
-- actions. Section 0: what the leads of each product and lead type come to. Sections 1 and 2: the
-- largest users and leads. Section 3: the prior-period lines. Section 4: what the matching lines
-- come to, and how many users there are in all. Section 5: a page of these lines, in canonical order
-- unless sorted; behind the line that `after_...` names. The columns of a Line come first.
--
-- Of the period it sums up `rated_users` as they are rated, or everybody where a null is among them;
-- of the other users it sums up what stands, also where lines of theirs are shown. `action_ids` are the page's where they are known before rating: then the
-- matching lines are all lines of the leads that `lead_search` finds.
with matching as materialized (
    select *
    from named_lines
    where period = :period
        and (
            cast(:action_ids as text[]) is null
            or action_id = any (cast(:action_ids as text[]))
        )
        and line_matches(:search, lead, product, lead_type, user_name, engagement_level, outcome)
        and (
            cast(:after_timestamp as timestamptz) is null
            or (timestamp, lead_created_at, lead_id, action_key, engagement_level, occurrence) > (
                cast(:after_timestamp as timestamptz), cast(:after_created as timestamptz),
                cast(:after_lead as uuid), cast(:after_key as text) collate "C",
                cast(:after_level as engagement_level), cast(:after_occurrence as int)
            )
        )
),

page as (
    select in_order.*, row_number() over () as place
    from (
        select matching.*
        from matching
        cross join lateral (
            select
                line_sort_text(:sort, lead, product, lead_type, user_name, action_type) as text,
                line_sort_number(
                    :sort, timestamp, gross_cents, duplicate_cents + cap_cents, billed_cents
                ) * case when :is_descending then -1 else 1 end as number
        ) as sorted
        order by
            case when :is_descending then sorted.text end desc nulls last,
            case when not :is_descending then sorted.text end nulls last,
            sorted.number nulls last,
            line_number
        limit :max_lines offset :skipped_lines
    ) as in_order
),

lines as (
    select 3 as section, *, line_number as place from named_lines where period <> :period
    union all
    select 5, * from page
),

rated_leads as materialized (
    select
        lead, product, lead_type, user_name, user_key, has_user, product_name, lead_id,
        coalesce(sum(gross_cents), 0)::bigint as gross_cents,
        coalesce(sum(billed_cents), 0)::bigint as billed_cents,
        coalesce(sum(duplicate_cents), 0)::bigint as duplicate_cents,
        coalesce(sum(cap_cents), 0)::bigint as cap_cents,
        count(*) as actions,
        count(*) filter (where gross_cents is null) as unpriced
    from named_lines
    where period = :period
        and (
            array_position(cast(:rated_users as uuid[]), null) is not null
            or cast(user_key as uuid) = any (cast(:rated_users as uuid[]))
        )
    group by lead_id, lead, product, product_name, lead_type, user_name, user_key, has_user
),

superseded_leads as (
    select
        product_id, lead_type, has_user, gross_cents, billed_cents, duplicate_cents, cap_cents,
        actions, unpriced
    from standing_lead_totals
    where customer_id = :customer_id
        and period = :period
        and user_key = any (cast(:rated_users as uuid[]))
),

parts as materialized (
    select
        product, product_name, lead_type,
        sum(gross_cents)::bigint as gross_cents,
        sum(billed_cents)::bigint as billed_cents,
        sum(duplicate_cents)::bigint as duplicate_cents,
        sum(cap_cents)::bigint as cap_cents,
        sum(leads)::bigint as leads,
        sum(actions)::bigint as actions,
        sum(unpriced)::bigint as unpriced,
        sum(leads_without_user)::bigint as leads_without_user
    from (
        select
            product, product_name, lead_type, gross_cents, billed_cents, duplicate_cents, cap_cents,
            1 as leads, actions, unpriced, (not has_user)::int as leads_without_user
        from rated_leads
        union all
        select
            products.external_id, products.name, stands.lead_type, stands.gross_cents,
            stands.billed_cents, stands.duplicate_cents, stands.cap_cents, stands.leads,
            stands.actions, stands.unpriced, stands.leads_without_user
        from (
            select
                product_id, lead_type, gross_cents, billed_cents, duplicate_cents, cap_cents, leads,
                actions, unpriced, leads_without_user
            from standing_part_totals
            where customer_id = :customer_id
                and period = :period
                and array_position(cast(:rated_users as uuid[]), null) is null
            union all
            select
                product_id, lead_type, -gross_cents, -billed_cents, -duplicate_cents, -cap_cents,
                -1, -actions, -unpriced, -(not has_user)::int
            from superseded_leads
        ) as stands
        join products on products.product_id = stands.product_id
    ) as part
    group by product, product_name, lead_type
    having sum(leads) > 0
),

largest_standing_users as materialized (
    select
        user_key, leads_without_user < leads as has_user, gross_cents, billed_cents,
        duplicate_cents, cap_cents, leads, actions
    from standing_user_totals
    where customer_id = :customer_id
        and period = :period
        and leads > 0
        and user_key <> all (cast(:rated_users as uuid[]))
    order by gross_cents desc, user_key
    limit :max_groups
),

-- Leads without a user have no name to look up, and all of them may be one user's.
users as (
    select
        user_key::uuid as user_key, max(user_name collate "C") as user_name,
        bool_or(has_user) as has_user,
        sum(gross_cents)::bigint as gross_cents,
        sum(billed_cents)::bigint as billed_cents,
        sum(duplicate_cents)::bigint as duplicate_cents,
        sum(cap_cents)::bigint as cap_cents,
        count(*) as leads,
        sum(actions)::bigint as actions
    from rated_leads
    group by user_key
    union all
    select
        largest.user_key, named.user_name, largest.has_user, largest.gross_cents,
        largest.billed_cents, largest.duplicate_cents, largest.cap_cents, largest.leads,
        largest.actions
    from largest_standing_users as largest
    cross join lateral (
        select max(leads.user_name collate "C") as user_name
        from (
            select lead_id
            from standing_lead_totals
            where customer_id = :customer_id
                and period = :period
                and user_key = largest.user_key
                and largest.has_user
            order by lead_id  -- so the primary key is used without statistics too
            offset 0
        ) as of_user
        cross join lateral (
            select user_name(leads.*) as user_name
            from leads
            where leads.customer_id = :customer_id and leads.lead_id = of_user.lead_id
            offset 0
        ) as leads
    ) as named
),

largest_standing_leads as materialized (
    select lead_id, gross_cents, billed_cents, duplicate_cents, cap_cents, actions
    from standing_lead_totals
    where customer_id = :customer_id
        and period = :period
        and user_key <> all (cast(:rated_users as uuid[]))
    order by gross_cents desc, lead_id
    limit :max_groups
),

leads_of_month as (
    select
        lead_id, lead, product, lead_type, user_name, gross_cents, billed_cents, duplicate_cents,
        cap_cents, actions
    from rated_leads
    union all
    select
        largest.lead_id, leads.external_id, products.external_id, leads.lead_type,
        user_name(leads.*), largest.gross_cents, largest.billed_cents, largest.duplicate_cents,
        largest.cap_cents, largest.actions
    from largest_standing_leads as largest
    join leads on leads.customer_id = :customer_id and leads.lead_id = largest.lead_id
    join products on products.product_id = leads.product_id
),

counted_users as (
    select
        case
            when array_position(cast(:rated_users as uuid[]), null) is null then (
                select count(*)
                from standing_user_totals
                where customer_id = :customer_id and period = :period and leads > 0
            )
            else 0
        end
        - (
            select count(*)
            from standing_user_totals
            where customer_id = :customer_id
                and period = :period
                and leads > 0
                and user_key = any (cast(:rated_users as uuid[]))
        )
        + (select count(distinct user_key) from rated_leads) as users
),

-- What the matching lines come to: of all leads, of those that are searched for, or line by line.
found as (
    select gross_cents, billed_cents, duplicate_cents, cap_cents, 1 as actions
    from matching
    where cast(:action_ids as text[]) is null
    union all
    select gross_cents, billed_cents, duplicate_cents, cap_cents, actions
    from parts
    where cast(:action_ids as text[]) is not null and cast(:lead_search as jsonb) is null
    union all
    select gross_cents, billed_cents, duplicate_cents, cap_cents, actions
    from rated_leads
    where cast(:action_ids as text[]) is not null
        and cast(:lead_search as jsonb) is not null
        and line_matches(:lead_search, lead, product, lead_type, user_name, null, null)
    union all
    select
        standing.gross_cents, standing.billed_cents, standing.duplicate_cents, standing.cap_cents,
        standing.actions
    from standing_lead_totals as standing
    join leads on leads.customer_id = :customer_id and leads.lead_id = standing.lead_id
    join products on products.product_id = leads.product_id
    where cast(:action_ids as text[]) is not null
        and cast(:lead_search as jsonb) is not null
        and standing.customer_id = :customer_id
        and standing.period = :period
        and standing.user_key <> all (cast(:rated_users as uuid[]))
        and line_matches(
            :lead_search, leads.external_id, products.external_id, leads.lead_type,
            user_name(leads.*), null, null
        )
)

select
    null::date as period, null as action_id, null as lead, product, lead_type, null as user_name,
    null as user_key, null as action_type, null::engagement_level as engagement_level,
    null::timestamptz as timestamp, gross_cents, billed_cents, duplicate_cents, cap_cents,
    null::int as cap_limit_cents, null::int as cap_used_before_cents, null as duplicate_of_lead,
    null as duplicate_of_action_id, null::timestamptz as duplicate_of_timestamp, null as rate,
    null::boolean as has_user, null::boolean as caps_each_product,
    0 as section, product_name, leads, actions, unpriced, leads_without_user,
    null::bigint as users, null::timestamptz as lead_created_at, null::uuid as lead_id,
    null as action_key, null::int as occurrence, null::bigint as place
from parts
union all
(
    select
        null, null, null, null, null, user_name, user_key::text, null, null, null, gross_cents,
        billed_cents, duplicate_cents, cap_cents, null, null, null, null, null, null, has_user, null,
        1, null, leads, actions, 0, null, null, null, null, null, null,
        row_number() over (order by gross_cents desc, user_key)
    from users
    order by gross_cents desc, user_key
    limit :max_groups
)
union all
(
    select
        null, null, lead, product, lead_type, user_name, null, null, null, null, gross_cents,
        billed_cents, duplicate_cents, cap_cents, null, null, null, null, null, null, null, null,
        2, null, 1, actions, 0, null, null, null, lead_id, null, null,
        row_number() over (order by gross_cents desc, lead_id)
    from leads_of_month
    order by gross_cents desc, lead_id
    limit :max_groups
)
union all
select
    null, null, null, null, null, null, null, null, null, null,
    coalesce(sum(gross_cents), 0)::bigint, coalesce(sum(billed_cents), 0)::bigint,
    coalesce(sum(duplicate_cents), 0)::bigint, coalesce(sum(cap_cents), 0)::bigint,
    null, null, null, null, null, null, null, null, 4, null, 0,
    coalesce(sum(actions), 0)::bigint, 0, null, (select users from counted_users), null, null, null,
    null, null
from found
union all
select
    period, action_id, lead, product, lead_type, user_name, user_key, action_type,
    engagement_level, timestamp, gross_cents, billed_cents, duplicate_cents, cap_cents,
    cap_limit_cents, cap_used_before_cents, duplicate_of_lead, duplicate_of_action_id,
    duplicate_of_timestamp, rate, has_user, caps_each_product,
    section, null, null, 1, case when gross_cents is null then 1 else 0 end, null, null,
    lead_created_at, lead_id, action_key, occurrence, place
from lines
order by section, period, place
