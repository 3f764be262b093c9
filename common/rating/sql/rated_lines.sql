-- include: rating/named_lines
-- params: lead_id uuid, after_timestamp timestamptz, after_created timestamptz, after_lead uuid
-- params: after_key text, after_level engagement_level, after_occurrence int, max_lines int
--
-- A page of rated lines, from behind the line that `after_...` names, in canonical order
-- (docs/billing-rules.md, Canonical order); the columns of a Line, and then those of its LineKey.
select
    period, action_id, lead, product, lead_type, user_name, user_key, action_type,
    engagement_level, timestamp, gross_cents, billed_cents, duplicate_cents, cap_cents,
    cap_limit_cents, cap_used_before_cents, original_lead, original_action_id,
    original_timestamp, rate, has_user,
    lead_created_at, lead_id, action_key, occurrence
from named_lines
where (cast(:lead_id as uuid) is null or lead_id = :lead_id)
    and (
        cast(:after_timestamp as timestamptz) is null
        or (timestamp, lead_created_at, lead_id, action_key, engagement_level, occurrence) > (
            :after_timestamp, :after_created, cast(:after_lead as uuid),
            cast(:after_key as text) collate "C", cast(:after_level as engagement_level),
            :after_occurrence
        )
    )
order by period, line_number
limit :max_lines
