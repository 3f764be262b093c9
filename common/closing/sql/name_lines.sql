-- Names leads and products as their senders did, behind the common table expressions of
-- number_lines.sql, for the canonical forms that hold these names.
-- Each lead is looked up once, not once for each of its lines.
lead_names as materialized (
    select named.lead_id, leads.external_id as lead
    from (
        select lead_id from numbered
        union
        select repeated_lead_id from numbered where repeated_lead_id is not null
    ) as named
    cross join lateral (
        select external_id from leads where leads.lead_id = named.lead_id limit 1
    ) as leads
),

named as (
    select
        placed.*, lead_names.lead, products.external_id as product, repeated.lead as repeated_lead
    from placed
    join lead_names using (lead_id)
    join products using (product_id)
    left join lead_names as repeated on repeated.lead_id = placed.repeated_lead_id
)
