-- include: rating/rate_month
--
-- What each lead comes to among the rated lines, and how many of its actions have no price.
select
    products.external_id, products.name, per_lead.lead_type, per_lead.user_key::text,
    coalesce(leads.user_email, leads.user_phone, leads.user_external_id) as user_name,
    leads.external_id as lead, per_lead.lead_id::text, leads.has_user, per_lead.gross_cents,
    per_lead.billed_cents, per_lead.duplicate_cents, per_lead.cap_cents, per_lead.actions,
    per_lead.unpriced
from (
    select
        customer_id, lead_id, product_id, lead_type, user_key,
        coalesce(sum(gross_cents), 0)::bigint as gross_cents,
        coalesce(sum(billed_cents), 0)::bigint as billed_cents,
        coalesce(sum(duplicate_cents), 0)::bigint as duplicate_cents,
        coalesce(sum(cap_cents), 0)::bigint as cap_cents,
        count(*) as actions,
        count(*) filter (where gross_cents is null) as unpriced
    from rate_month
    group by customer_id, lead_id, product_id, lead_type, user_key
) as per_lead
join leads on leads.customer_id = per_lead.customer_id and leads.lead_id = per_lead.lead_id
join products on products.product_id = per_lead.product_id
