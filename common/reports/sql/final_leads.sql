-- params: customer_id uuid, report_id uuid, search jsonb, is_filtered boolean
-- params: after_gross bigint, after_key uuid, max_groups int
--
-- A page of the leads of a final report, the largest first, behind the one that `after_...` names.
with totals as (
    select kept.*
    from billing_report_lead_totals as stored
    cross join lateral unnest(
        lead_ids, gross_cents, billed_cents, duplicate_cents, cap_cents, action_counts
    ) as kept (lead_id, gross_cents, billed_cents, duplicate_cents, cap_cents, actions)
    where stored.customer_id = :customer_id
        and stored.report_id = :report_id
        and (
            cast(:after_gross as bigint) is null
            or (kept.gross_cents <= :after_gross
                and (kept.gross_cents < :after_gross or kept.lead_id > cast(:after_key as uuid)))
        )
),

-- Without filters only the page's leads are looked up.
page as (
    (
        select * from totals
        where not :is_filtered
        order by gross_cents desc, lead_id
        limit :max_groups
    )
    union all
    (
        select totals.*
        from totals
        join leads on leads.customer_id = :customer_id and leads.lead_id = totals.lead_id
        join products on products.product_id = leads.product_id
        where :is_filtered
            and line_matches(
                :search, leads.external_id, products.external_id, leads.lead_type,
                user_name(leads.*), null, null
            )
        order by gross_cents desc, lead_id
        limit :max_groups
    )
)

select
    page.lead_id as key, leads.external_id as lead, products.external_id as product,
    leads.lead_type,
    user_name(leads.*) as user_name,
    page.gross_cents, page.billed_cents, page.duplicate_cents, page.cap_cents, 1 as leads,
    page.actions, 0 as unpriced
from page
join leads on leads.customer_id = :customer_id and leads.lead_id = page.lead_id
join products on products.product_id = leads.product_id
order by page.gross_cents desc, page.lead_id
