-- include: rating/rate_month
--
-- The rated lines with the names of their leads, products and users. `line_number` is the line's
-- place in canonical order among the lines of its period that were rated with it.
select
    line.customer_id, line.period, line.action_id::text, line.lead_id, leads.external_id as lead,
    products.external_id as product, products.name as product_name, line.lead_type,
    coalesce(leads.user_email, leads.user_phone, leads.user_external_id) as user_name,
    leads.has_user, line.user_key::text, line.action_type, line.engagement_level, line.timestamp,
    line.rate, line.gross_cents, line.billed_cents, line.duplicate_cents, line.cap_cents,
    line.cap_limit_cents, line.cap_used_before_cents, line.outcome,
    originals.external_id as original_lead, line.original_action_id::text, line.original_timestamp,
    line.number as line_number, line.lead_created_at, line.action_key, line.occurrence
from rate_month as line
join leads on leads.customer_id = line.customer_id and leads.lead_id = line.lead_id
join products on products.product_id = line.product_id
left join leads as originals
    on originals.customer_id = line.customer_id and originals.lead_id = line.original_lead_id
