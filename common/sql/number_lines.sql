-- Numbers, hashes and sums what is decided, behind the common table expressions of
-- decide_actions.sql, as a final report has it: first the lines of :period, then those of prior ones.
-- The canonical forms that are hashed are described in docs/verification.md.
numbered as materialized (
    select
        selected.*,
        leads.external_id as lead,
        products.external_id as product,
        products.name as product_name,
        case when is_repeat then first_leads.external_id end as first_lead,
        case when is_repeat then first_action_id end as repeated_action_id,
        case
            when is_repeat then 'duplicate'
            when selected.cap_cents = 0 then 'billed'
            when selected.billed_cents > 0 then 'partially_capped'
            else 'capped'
        end as outcome,
        selected.period < :period as is_prior,
        row_number() over (
            order by
                selected.period = :period desc, selected.period, selected.timestamp,
                selected.lead_created_at, selected.lead_id, selected.action_key,
                selected.engagement_level, selected.occurrence
        ) as line_number
    from selected
    join leads on leads.lead_id = selected.lead_id
    join products on products.product_id = selected.product_id
    left join leads as first_leads on is_repeat and first_leads.lead_id = selected.first_lead_id
),

hashed as materialized (
    select
        numbered.*,
        {canonical_line} as line_hash
    from numbered
),

summed as (
    select
        count(distinct lead_id) filter (where not is_prior) as lead_count,
        count(*) filter (where not is_prior) as action_count,
        count(*) filter (where is_prior) as prior_action_count,
        coalesce(sum(gross_cents) filter (where not is_prior), 0)::bigint as gross_cents,
        coalesce(sum(billed_cents) filter (where not is_prior), 0)::bigint as billed_cents,
        coalesce(sum(duplicate_cents) filter (where not is_prior), 0)::bigint as duplicate_cents,
        coalesce(sum(cap_cents) filter (where not is_prior), 0)::bigint as cap_cents,
        coalesce(sum(billed_cents) filter (where is_prior), 0)::bigint as prior_billed_cents,
        coalesce(jsonb_object_agg(product, product_name) filter (where product is not null), '{}')
            as product_names,
        coalesce(string_agg(line_hash, ''::bytea order by line_number), ''::bytea) as line_hashes
    from hashed
)
