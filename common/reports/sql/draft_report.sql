-- include: rating/named_lines materialized
-- params: period date, product text, lead_type text, user text, lead text
-- params: level engagement_level, outcome text, sort text, is_descending boolean
-- params: after_timestamp timestamptz, after_created timestamptz, after_lead uuid
-- params: after_key text, after_level engagement_level, after_occurrence int
-- params: max_lines int, skipped_lines int
--
-- All that a draft shows, from one rating of its period and of the closed periods with late
-- actions. Section 0: what each lead comes to. Section 1: the prior-period lines. Section 2: what
-- the matching lines come to. Section 3: a page of these, in canonical order unless sorted; behind
-- the line that `after_...` names.
with matching as materialized (
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
    from named_lines
    where period = :period
        and (cast(:product as text) is null or product = :product)
        and (cast(:lead_type as text) is null or lead_type = :lead_type)
        and (cast(:user as text) is null or strpos(lower(user_name), lower(:user)) > 0)
        and (cast(:lead as text) is null or strpos(lower(lead), lower(:lead)) > 0)
        and (
            cast(:level as engagement_level) is null
            or engagement_level = cast(:level as engagement_level)
        )
        and (cast(:outcome as text) is null or cast(outcome as text) = :outcome)
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
    select 1 as section, *, null as text_place, null::numeric as number_place
    from named_lines
    where period <> :period
    union all
    select 3, * from page
),

sections as (
    select
        0 as section, null::date as period, null as action_id, lead, product, lead_type, user_name,
        user_key, null as action_type, null::engagement_level as engagement_level,
        null::timestamptz as timestamp,
        coalesce(sum(gross_cents), 0)::bigint as gross_cents,
        coalesce(sum(billed_cents), 0)::bigint as billed_cents,
        coalesce(sum(duplicate_cents), 0)::bigint as duplicate_cents,
        coalesce(sum(cap_cents), 0)::bigint as cap_cents,
        null::int as cap_limit_cents, null::int as cap_used_before_cents, null as original_lead,
        null as original_action_id, null::timestamptz as original_timestamp, null as rate, has_user,
        product_name,
        count(*) as actions,
        count(*) filter (where gross_cents is null) as unpriced,
        null::timestamptz as lead_created_at, lead_id, null as action_key, null::int as occurrence,
        null as text_place, null::numeric as number_place, null::bigint as line_number
    from named_lines
    where period = :period
    group by lead_id, lead, product, product_name, lead_type, user_name, user_key, has_user
    union all
    select
        2, null, null, null, null, null, null, null, null, null, null,
        coalesce(sum(gross_cents), 0)::bigint, coalesce(sum(billed_cents), 0)::bigint,
        coalesce(sum(duplicate_cents), 0)::bigint, coalesce(sum(cap_cents), 0)::bigint,
        null, null, null, null, null, null, null, null, count(*), 0,
        null, null, null, null, null, null, null
    from matching
    union all
    select
        section, period, action_id, lead, product, lead_type, user_name, user_key, action_type,
        engagement_level, timestamp, gross_cents, billed_cents, duplicate_cents, cap_cents,
        cap_limit_cents, cap_used_before_cents, original_lead, original_action_id,
        original_timestamp, rate, has_user, null, 1, case when gross_cents is null then 1 else 0 end,
        lead_created_at, lead_id, action_key, occurrence, text_place, number_place, line_number
    from shown
)

select *
from sections
order by
    section,
    case when :is_descending then text_place end desc nulls last,
    case when not :is_descending then text_place end nulls last,
    number_place nulls last,
    period,
    line_number
