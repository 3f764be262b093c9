-- include: rating/named_lines
-- params: lead_ids uuid[], action_ids text[]
--
-- The rated lines, of some leads, of some actions or all, in canonical order
-- (docs/billing-rules.md, Canonical order). Only these are named.
select *
from named_lines
where (cast(:lead_ids as uuid[]) is null or lead_id = any (cast(:lead_ids as uuid[])))
    and (cast(:action_ids as text[]) is null or action_id = any (cast(:action_ids as text[])))
order by period, line_number
