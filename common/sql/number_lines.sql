-- Numbers, hashes and sums what is decided, behind the common table expressions of
-- decide_actions.sql, as a final report has it: first the lines of :period, then those of prior ones.
-- The canonical forms that are hashed are described in docs/verification.md.
counted as (
    select period, sum(lines) over (order by period < :period, period) - lines as lines_before
    from (select period, count(*)::int as lines from selected group by period) as month
),

-- Each lead is looked up once, not once for each of its lines.
lead_names as materialized (
    select named.lead_id, leads.external_id as lead
    from (
        select lead_id from selected
        union
        select first_lead_id from selected where is_repeat
    ) as named
    cross join lateral (
        select external_id from leads where leads.lead_id = named.lead_id limit 1
    ) as leads
),

numbered as (
    select
        selected.*,
        lead_names.lead,
        products.external_id as product,
        first_leads.lead as first_lead,
        case when is_repeat then first_action_id end as repeated_action_id,
        case
            when is_repeat then 'duplicate'
            when selected.cap_cents = 0 then 'billed'
            when selected.billed_cents > 0 then 'partially_capped'
            else 'capped'
        end as outcome,
        selected.period < :period as is_prior,
        counted.lines_before + selected.number as line_number
    from selected
    join counted on counted.period = selected.period
    join lead_names on lead_names.lead_id = selected.lead_id
    join products on products.product_id = selected.product_id
    left join lead_names as first_leads on is_repeat and first_leads.lead_id = selected.first_lead_id
),

hashed as materialized (
    select
        numbered.*,
        {canonical_line} as line_hash
    from numbered
),

per_lead as materialized (
    select
        lead_id,
        sum(gross_cents)::bigint as gross_cents,
        sum(billed_cents)::bigint as billed_cents,
        sum(duplicate_cents)::bigint as duplicate_cents,
        sum(cap_cents)::bigint as cap_cents,
        count(*) as actions
    from hashed
    where not is_prior
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
        from hashed
        where is_prior
    ) as prior
    cross join (
        select
            coalesce(string_agg(line_hash, ''::bytea order by line_number), ''::bytea)
                as line_hashes
        from hashed
    ) as hashes
)
