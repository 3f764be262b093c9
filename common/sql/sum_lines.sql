-- Sums up `lines`: what each lead comes to, the whole, and the hashes in the order of the lines.
per_lead as materialized (
    select
        lead_id,
        sum(gross_cents)::bigint as gross_cents,
        sum(billed_cents)::bigint as billed_cents,
        sum(duplicate_cents)::bigint as duplicate_cents,
        sum(cap_cents)::bigint as cap_cents,
        count(*) as actions
    from lines
    where period = :period
    group by lead_id
),

breakdown as (
    select
        coalesce(array_agg(lead_id), '{}') as lead_ids,
        coalesce(array_agg(gross_cents), '{}') as gross_cents,
        coalesce(array_agg(billed_cents), '{}') as billed_cents,
        coalesce(array_agg(duplicate_cents), '{}') as duplicate_cents,
        coalesce(array_agg(cap_cents), '{}') as cap_cents,
        coalesce(array_agg(actions), '{}') as action_counts
    from (select * from per_lead order by lead_id) as ordered
),

summed as (
    select own.*, prior.*, hashes.*
    from (
        select
            count(*) as lead_count,
            coalesce(sum(actions), 0)::bigint as action_count,
            coalesce(sum(gross_cents), 0)::bigint as gross_cents,
            coalesce(sum(billed_cents), 0)::bigint as billed_cents,
            coalesce(sum(duplicate_cents), 0)::bigint as duplicate_cents,
            coalesce(sum(cap_cents), 0)::bigint as cap_cents
        from per_lead
    ) as own
    cross join (
        select
            count(*) as prior_action_count,
            coalesce(sum(billed_cents), 0)::bigint as prior_billed_cents
        from lines
        where period <> :period
    ) as prior
    cross join (
        select
            coalesce(string_agg(line_hash, ''::bytea order by line_number), ''::bytea)
                as line_hashes
        from lines
    ) as hashes
)
