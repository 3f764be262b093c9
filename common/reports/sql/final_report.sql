-- params: customer_id uuid, report_id uuid, own_lines int, after_line int, last_line int
-- params: product text, lead_type text, user text, lead text
-- params: level engagement_level, outcome text, sort text, is_descending boolean
-- params: max_lines int, skipped_lines int
--
-- All that a final report shows, from what closing stored. Section 0: what each lead comes to.
-- Section 1: the prior-period lines, which stand behind the report's `own_lines`. Section 2: what
-- the matching lines come to. Section 3: a page of these, by number unless sorted; of the lines
-- behind `after_line` up to `last_line`.
with named_leads as materialized (
    select
        kept.*, leads.external_id as lead, products.external_id as product, leads.lead_type,
        coalesce(leads.user_email, leads.user_phone, leads.user_external_id) as user_name,
        leads.user_key, leads.has_user
    from (
        select totals.*
        from billing_report_lead_totals as stored
        cross join lateral unnest(
            lead_ids, gross_cents, billed_cents, duplicate_cents, cap_cents, action_counts
        ) as totals (lead_id, gross_cents, billed_cents, duplicate_cents, cap_cents, actions)
        where stored.customer_id = :customer_id and stored.report_id = :report_id
    ) as kept
    -- One at a time: the planner would read all leads of the customer for a few thousand.
    cross join lateral (
        select *
        from leads
        where leads.customer_id = :customer_id and leads.lead_id = kept.lead_id
        limit 1
    ) as leads
    join products on products.product_id = leads.product_id
),

-- A line that was tampered with may name any lead.
own_lines as (
    select
        line.*, coalesce(named_leads.lead, line.lead_id::text) as lead,
        products.external_id as product, named_leads.user_name,
        coalesce(named_leads.has_user, true) as has_user,
        coalesce(originals.lead, line.duplicate_of_lead_id::text) as original_lead
    from billing_report_lines as line
    join products on products.product_id = line.product_id
    left join named_leads on named_leads.lead_id = line.lead_id
    left join named_leads as originals on originals.lead_id = line.duplicate_of_lead_id
    where line.customer_id = :customer_id
        and line.report_id = :report_id
        and line.line_number > :after_line and line.block_last_line > :after_line
        and line.line_number <= :last_line and line.block_first_line <= :last_line
),

prior_lines as (
    select
        line.*, leads.external_id as lead, products.external_id as product,
        coalesce(leads.user_email, leads.user_phone, leads.user_external_id) as user_name,
        leads.has_user, originals.external_id as original_lead
    from billing_report_lines as line
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
        and line.line_number > :own_lines and line.block_last_line > :own_lines
),

matching as (
    select
        *,
        case :sort
            when 'lead' then lead
            when 'product' then product
            when 'lead_type' then lead_type
            when 'user' then user_name
            when 'action' then action_type
        end collate "C" as text_place,
        case :sort
            when 'time' then (extract(epoch from timestamp) * 1000000)::bigint
            when 'gross' then gross_cents
            when 'saved' then duplicate_cents + cap_cents
            when 'billed' then billed_cents
        end * case when :is_descending then -1 else 1 end as number_place
    from own_lines
    where (cast(:product as text) is null or product = :product)
        and (cast(:lead_type as text) is null or lead_type = :lead_type)
        and (cast(:user as text) is null or strpos(lower(user_name), lower(:user)) > 0)
        and (cast(:lead as text) is null or strpos(lower(lead), lower(:lead)) > 0)
        and (
            cast(:level as engagement_level) is null
            or engagement_level = cast(:level as engagement_level)
        )
        and (cast(:outcome as text) is null or cast(outcome as text) = :outcome)
),

page as (
    select *
    from matching
    order by
        case when :is_descending then text_place end desc nulls last,
        case when not :is_descending then text_place end nulls last,
        number_place nulls last,
        line_number
    limit :max_lines offset :skipped_lines
),

shown as (
    select 1 as section, *, null as text_place, null::bigint as number_place from prior_lines
    union all
    select 3, * from page
),

sections as (
    select
        0 as section, null::date as period, null as action_id, lead, product,
        lead_type, user_name, user_key::text, null as action_type,
        null::engagement_level as engagement_level, null::timestamptz as timestamp, gross_cents,
        billed_cents, duplicate_cents, cap_cents, null::int as cap_limit_cents,
        null::int as cap_used_before_cents, null as original_lead, null as original_action_id,
        null::timestamptz as original_timestamp, null as rate, has_user,
        null as product_name, actions, 0 as unpriced,
        null as text_place, null::bigint as number_place, null::int as line_number
    from named_leads
    union all
    select
        2, null, null, null, null, null, null, null, null, null, null,
        coalesce(sum(gross_cents), 0)::bigint, coalesce(sum(billed_cents), 0)::bigint,
        coalesce(sum(duplicate_cents), 0)::bigint, coalesce(sum(cap_cents), 0)::bigint,
        null, null, null, null, null, null, null, null, count(*), 0, null, null, null
    from matching
    union all
    select
        section, period, action_id::text, lead, product, lead_type, user_name, user_key::text,
        action_type, engagement_level, timestamp, gross_cents, billed_cents, duplicate_cents,
        cap_cents, cap_limit_cents, cap_used_before_cents, original_lead,
        duplicate_of_action_id::text, duplicate_of_timestamp, rate, has_user, null, 1, 0,
        text_place, number_place, line_number
    from shown
)

select *
from sections
order by
    section,
    case when :is_descending then text_place end desc nulls last,
    case when not :is_descending then text_place end nulls last,
    number_place nulls last,
    line_number
