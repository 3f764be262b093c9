-- include: rating/standing_totals/rated_leads
-- params: customer_id uuid, period date, after_gross bigint, after_lead uuid, max_leads int
--
-- What each lead of an open month comes to, the largest first: at most `max_leads` behind the lead
-- that `after_...` names. A null among `user_keys` leaves out all that stands.
with page as materialized (
    (
        select
            lead_id, gross_cents, billed_cents, duplicate_cents, cap_cents, actions, unpriced
        from standing_lead_totals
        where customer_id = :customer_id
            and period = :period
            and user_key <> all (cast(:user_keys as uuid[]))
            and (
                cast(:after_gross as bigint) is null
                or (gross_cents <= :after_gross
                    and (gross_cents < :after_gross or lead_id > cast(:after_lead as uuid)))
            )
        order by gross_cents desc, lead_id
        limit :max_leads
    )
    union all
    select lead_id, gross_cents, billed_cents, duplicate_cents, cap_cents, actions, unpriced
    from rated_leads
    where cast(:after_gross as bigint) is null
        or (gross_cents <= :after_gross
            and (gross_cents < :after_gross or lead_id > cast(:after_lead as uuid)))
    order by gross_cents desc, lead_id
    limit :max_leads
)

select
    page.lead_id as lead_key, leads.external_id as lead, products.external_id as product,
    products.name as product_name, leads.lead_type, leads.user_key::text as user_key,
    user_name(leads.*) as user_name,
    leads.has_user, page.gross_cents, page.billed_cents, page.duplicate_cents, page.cap_cents,
    1 as leads, page.actions, page.unpriced
from page
join leads on leads.customer_id = :customer_id and leads.lead_id = page.lead_id
join products on products.product_id = leads.product_id
order by page.gross_cents desc, page.lead_id
