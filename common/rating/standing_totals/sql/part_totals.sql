-- include: rating/standing_totals/lead_differences
-- params: customer_id uuid, period date
--
-- What the leads of each product and lead type come to in an open month of a customer.
select
    products.external_id as product, products.name as product_name, totals.*
from (
    select
        product_id, lead_type,
        sum(gross_cents)::bigint as gross_cents,
        sum(billed_cents)::bigint as billed_cents,
        sum(duplicate_cents)::bigint as duplicate_cents,
        sum(cap_cents)::bigint as cap_cents,
        sum(leads)::bigint as leads,
        sum(actions)::bigint as actions,
        sum(unpriced)::bigint as unpriced,
        sum(leads_without_user)::bigint as leads_without_user
    from (
        select
            product_id, lead_type, gross_cents, billed_cents, duplicate_cents, cap_cents, leads,
            actions, unpriced, leads_without_user
        from standing_part_totals
        where customer_id = :customer_id and period = :period
        union all
        select
            product_id, lead_type, gross_cents, billed_cents, duplicate_cents, cap_cents, leads,
            actions, unpriced, leads_without_user
        from lead_differences
    ) as part
    group by product_id, lead_type
) as totals
join products on products.product_id = totals.product_id
where totals.leads > 0
