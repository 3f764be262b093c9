-- params: customer_id uuid, report_id uuid, own_line_count int
-- params: last_line int, max_groups int
-- params: search jsonb, is_filtered boolean, sort text, is_descending boolean
-- params: max_lines int, skipped_lines int
--
-- All that a final report shows, from what closing stored, in the sections of draft_report.sql. The
-- prior-period lines stand behind the first `own_line_count`. The page of lines is by number unless
-- sorted; of the lines up to `last_line`. The columns of a Line come first. Leads are looked up one at
-- a time: the planner would read all of the customer's for a few thousand.
with stored_leads as materialized (
    select totals.*
    from billing_report_lead_totals as stored
    cross join lateral unnest(
        lead_ids, user_keys, product_ids, lead_types, gross_cents, billed_cents, duplicate_cents,
        cap_cents, action_counts
    ) as totals (
        lead_id, user_key, product_id, lead_type, gross_cents, billed_cents, duplicate_cents,
        cap_cents, actions
    )
    where stored.customer_id = :customer_id and stored.report_id = :report_id
),

-- A user is called as on its largest lead.
users as materialized (
    select totals.*, user_name(leads.*) as user_name, leads.has_user
    from (
        select
            user_key,
            (array_agg(lead_id order by gross_cents desc, lead_id))[1] as lead_id,
            sum(gross_cents)::bigint as gross_cents,
            sum(billed_cents)::bigint as billed_cents,
            sum(duplicate_cents)::bigint as duplicate_cents,
            sum(cap_cents)::bigint as cap_cents,
            count(*) as leads,
            sum(actions)::bigint as actions
        from stored_leads
        group by user_key
    ) as totals
    cross join lateral (
        select *
        from leads
        where leads.customer_id = :customer_id and leads.lead_id = totals.lead_id
        limit 1
    ) as leads
),

-- What the cap of each month's card is of.
months as materialized (
    select month.period, coalesce(card.caps_each_product, false) as caps_each_product
    from (
        select distinct period
        from billing_report_line_blocks
        where customer_id = :customer_id and report_id = :report_id
    ) as month
    left join lateral rate_card_in_force(cast(:customer_id as uuid), month.period) as card on true
),

stored_lines as materialized (
    select *
    from billing_report_lines as line
    where line.customer_id = :customer_id
        and line.report_id = :report_id
        and line.line_number <= :last_line and line.block_first_line <= :last_line
),

-- The leads of these lines, and of what they are duplicates of.
named_leads as materialized (
    select leads.*
    from (
        select lead_id from stored_lines
        union
        select duplicate_of_lead_id from stored_lines where duplicate_of_lead_id is not null
    ) as line
    cross join lateral (
        select lead_id, external_id as lead, user_name(leads.*) as user_name, has_user
        from leads
        where leads.customer_id = :customer_id and leads.lead_id = line.lead_id
        limit 1
    ) as leads
),

-- A line that was tampered with may name any lead.
own_lines as (
    select
        line.*, coalesce(named_leads.lead, line.lead_id::text) as lead,
        products.external_id as product, named_leads.user_name,
        coalesce(named_leads.has_user, true) as has_user,
        coalesce(originals.lead, line.duplicate_of_lead_id::text) as duplicate_of_lead,
        months.caps_each_product
    from stored_lines as line
    join months using (period)
    join products on products.product_id = line.product_id
    left join named_leads on named_leads.lead_id = line.lead_id
    left join named_leads as originals on originals.lead_id = line.duplicate_of_lead_id
),

prior_lines as (
    select
        line.*, leads.external_id as lead, products.external_id as product,
        user_name(leads.*) as user_name,
        leads.has_user, originals.external_id as duplicate_of_lead, months.caps_each_product
    from billing_report_lines as line
    join months using (period)
    join products on products.product_id = line.product_id
    cross join lateral (
        select *
        from leads
        where leads.customer_id = :customer_id and leads.lead_id = line.lead_id
        limit 1
    ) as leads
    left join lateral (
        select external_id
        from leads
        where leads.customer_id = :customer_id and leads.lead_id = line.duplicate_of_lead_id
        limit 1
    ) as originals on true
    where line.customer_id = :customer_id
        and line.report_id = :report_id
        and line.line_number > :own_line_count and line.block_last_line > :own_line_count
),

matching as (
    select *
    from own_lines
    where not :is_filtered
        or line_matches(:search, lead, product, lead_type, user_name, engagement_level, outcome)
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
    select 3 as section, *, line_number as place from prior_lines
    union all
    select 5, * from page
)

select
    null::date as period, null as action_id, null as lead, products.external_id as product,
    part.lead_type, null as user_name, null as user_key, null as action_type,
    null::engagement_level as engagement_level, null::timestamptz as timestamp, part.gross_cents,
    part.billed_cents, part.duplicate_cents, part.cap_cents, null::int as cap_limit_cents,
    null::int as cap_used_before_cents, null as duplicate_of_lead,
    null as duplicate_of_action_id, null::timestamptz as duplicate_of_timestamp, null as rate,
    null::boolean as has_user, null::boolean as caps_each_product,
    0 as section,
    (
        select product_names
        from billing_reports as report
        where report.customer_id = :customer_id and report.report_id = :report_id
    ) ->> products.external_id as product_name,
    part.leads, part.actions, 0 as unpriced, part.leads_without_user, null::bigint as users,
    null::bigint as place
from (
    select
        product_id, lead_type,
        sum(stored_leads.gross_cents)::bigint as gross_cents,
        sum(stored_leads.billed_cents)::bigint as billed_cents,
        sum(stored_leads.duplicate_cents)::bigint as duplicate_cents,
        sum(stored_leads.cap_cents)::bigint as cap_cents,
        count(*) as leads,
        sum(stored_leads.actions)::bigint as actions,
        count(*) filter (where not users.has_user) as leads_without_user
    from stored_leads
    join users using (user_key)
    group by product_id, lead_type
) as part
join products on products.product_id = part.product_id
union all
(
    select
        null, null, null, null, null, user_name, user_key::text, null, null, null, gross_cents,
        billed_cents, duplicate_cents, cap_cents, null, null, null, null, null, null, has_user,
        null, 1, null, leads, actions, 0, null, null,
        row_number() over (order by gross_cents desc, user_key)
    from users
    order by gross_cents desc, user_key
    limit :max_groups
)
union all
select
    null, null, leads.external_id, products.external_id, largest.lead_type, user_name(leads.*),
    null, null, null, null, largest.gross_cents, largest.billed_cents, largest.duplicate_cents,
    largest.cap_cents, null, null, null, null, null, null, null, null, 2, null, 1, largest.actions,
    0, null, null, row_number() over (order by largest.gross_cents desc, largest.lead_id)
from (
    select * from stored_leads order by gross_cents desc, lead_id limit :max_groups
) as largest
join products on products.product_id = largest.product_id
cross join lateral (
    select *
    from leads
    where leads.customer_id = :customer_id and leads.lead_id = largest.lead_id
    limit 1
) as leads
union all
select
    null, null, null, null, null, null, null, null, null, null,
    coalesce(sum(gross_cents), 0)::bigint, coalesce(sum(billed_cents), 0)::bigint,
    coalesce(sum(duplicate_cents), 0)::bigint, coalesce(sum(cap_cents), 0)::bigint,
    null, null, null, null, null, null, null, null, 4, null, 0, count(*), 0, null,
    (select count(*) from users), null
from matching
union all
select
    period, action_id::text, lead, product, lead_type, user_name, user_key::text, action_type,
    engagement_level, timestamp, gross_cents, billed_cents, duplicate_cents, cap_cents,
    cap_limit_cents, cap_used_before_cents, duplicate_of_lead, duplicate_of_action_id::text,
    duplicate_of_timestamp, rate, has_user, caps_each_product, section, null, null, 1, 0, null,
    null, place
from lines
order by section, place
