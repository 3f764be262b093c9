-- include: rating/named_lines materialized
-- params: period date
--
-- All lines that a draft shows, from one rating of its period and of the closed periods with late
-- actions, for a reader that keeps none of them. First how many have no price (`unpriced`); then
-- the prior-period lines, then the period's own. The columns of a Line come first.
select
    null::date as period, null as action_id, null as lead, null as product, null as lead_type,
    null as user_name, null as user_key, null as action_type,
    null::engagement_level as engagement_level, null::timestamptz as timestamp,
    null::int as gross_cents, null::int as billed_cents, null::int as duplicate_cents,
    null::int as cap_cents, null::int as cap_limit_cents, null::int as cap_used_before_cents,
    null as duplicate_of_lead, null as duplicate_of_action_id,
    null::timestamptz as duplicate_of_timestamp, null as rate, null::boolean as has_user,
    null::boolean as caps_each_product, count(*) as unpriced, 0 as section,
    null::bigint as line_number, null::timestamptz as lead_created_at
from named_lines
where gross_cents is null
union all
select
    period, action_id, lead, product, lead_type, user_name, user_key, action_type,
    engagement_level, timestamp, gross_cents, billed_cents, duplicate_cents, cap_cents,
    cap_limit_cents, cap_used_before_cents, duplicate_of_lead, duplicate_of_action_id,
    duplicate_of_timestamp, rate, has_user, caps_each_product, 0,
    case when period = :period then 2 else 1 end, line_number,
    lead_created_at
from named_lines
order by section, period, line_number
