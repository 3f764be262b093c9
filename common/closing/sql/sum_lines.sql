-- Sums up the lines, from their blocks: what each lead comes to, the whole, and the hashes in the
-- order of the lines.
per_lead as materialized (
    select
        is_own, lead_id, product_id,
        sum(gross_cents)::bigint as gross_cents,
        sum(billed_cents)::bigint as billed_cents,
        sum(case when is_duplicate then gross_cents else 0 end)::bigint as duplicate_cents,
        sum(case when is_duplicate then 0 else gross_cents - billed_cents end)::bigint as cap_cents,
        count(*) as actions,
        count(*) filter (where is_duplicate) as repeats
    from (
        select
            period = :period as is_own, unnest(lead_ids) as lead_id,
            unnest(product_ids) as product_id, unnest(gross_cents) as gross_cents,
            unnest(billed_cents) as billed_cents,
            unnest(duplicate_of_action_ids) is not null as is_duplicate
        from blocks
    ) as line
    group by is_own, lead_id, product_id
),

breakdown as (
    select
        coalesce(array_agg(lead_id), '{}') as lead_ids,
        coalesce(array_agg(gross_cents), '{}') as gross_cents,
        coalesce(array_agg(billed_cents), '{}') as billed_cents,
        coalesce(array_agg(duplicate_cents), '{}') as duplicate_cents,
        coalesce(array_agg(cap_cents), '{}') as cap_cents,
        coalesce(array_agg(actions), '{}') as action_counts
    from (select * from per_lead where is_own order by lead_id) as ordered
),

summed as (
    select
        count(*) filter (where is_own) as lead_count,
        coalesce(sum(actions) filter (where is_own), 0)::bigint as action_count,
        coalesce(sum(gross_cents) filter (where is_own), 0)::bigint as gross_cents,
        coalesce(sum(billed_cents) filter (where is_own), 0)::bigint as billed_cents,
        coalesce(sum(duplicate_cents) filter (where is_own), 0)::bigint as duplicate_cents,
        coalesce(sum(cap_cents) filter (where is_own), 0)::bigint as cap_cents,
        coalesce(sum(actions) filter (where not is_own), 0)::bigint as prior_action_count,
        coalesce(sum(billed_cents) filter (where not is_own), 0)::bigint as prior_billed_cents,
        coalesce(({block_hashes}), ''::bytea) as block_hashes
    from per_lead
)
