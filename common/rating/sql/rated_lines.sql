-- include: rating/named_lines
-- params: lead_id uuid
--
-- The rated lines, of one lead or of all, in canonical order (docs/billing-rules.md, Canonical
-- order): the columns of a Line, and then those of its LineKey.
select
    period, action_id, lead, product, lead_type, user_name, user_key, action_type,
    engagement_level, timestamp, gross_cents, billed_cents, duplicate_cents, cap_cents,
    cap_limit_cents, cap_used_before_cents, original_lead, original_action_id, original_timestamp,
    rate, has_user,
    lead_created_at, lead_id, action_key, occurrence
from named_lines
where cast(:lead_id as uuid) is null or lead_id = :lead_id
order by period, line_number
