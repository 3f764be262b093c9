-- include: rating/rate_month
--
-- The rated lines with the names of their leads, products and users: the columns of a Line, then
-- others. `line_number` is the line's place in canonical order among the lines of its period that
-- were rated with it.
select
    line.period, line.action_id::text, leads.external_id as lead, products.external_id as product,
    line.lead_type,
    user_name(leads.*) as user_name,
    line.user_key::text, line.action_type, line.engagement_level, line.timestamp,
    line.gross_cents, line.billed_cents, line.duplicate_cents, line.cap_cents,
    line.cap_limit_cents, line.cap_used_before_cents,
    originals.external_id as duplicate_of_lead, line.duplicate_of_action_id::text,
    line.duplicate_of_timestamp, line.rate, leads.has_user, line.caps_each_product,
    line.lead_id, products.name as product_name, line.outcome, line.number as line_number,
    line.lead_created_at, line.action_key, line.occurrence
from rate_month as line
join leads on leads.customer_id = line.customer_id and leads.lead_id = line.lead_id
join products on products.product_id = line.product_id
left join leads as originals
    on originals.customer_id = line.customer_id and originals.lead_id = line.duplicate_of_lead_id
