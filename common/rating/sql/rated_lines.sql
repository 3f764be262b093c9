-- include: rating/named_lines
-- params: lead_id uuid, action_ids text[]
--
-- The rated lines, of one lead, of some actions or all, in canonical order
-- (docs/billing-rules.md, Canonical order). Only these are named.
select *
from named_lines
where (cast(:lead_id as uuid) is null or lead_id = :lead_id)
    and (cast(:action_ids as text[]) is null or action_id = any (cast(:action_ids as text[])))
order by period, line_number
