-- Stores the final report of what is decided, behind the common table expressions of
-- decide_actions.sql, in one statement. The canonical form that is hashed: docs/verification.md.
numbered as materialized (
    select
        selected.*,
        leads.external_id as lead,
        products.external_id as product,
        products.name as product_name,
        case when is_repeat then first_leads.external_id end as first_lead,
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
        sha256(convert_to(json_build_array(
            to_char(period, 'YYYY-MM'),
            to_char(timestamp at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            lead, product, lead_type, user_key, action_type, engagement_level, action_id,
            gross_cents, billed_cents, duplicate_cents, cap_cents, cap_limit_cents,
            cap_used_before_cents, outcome, first_lead,
            case when is_repeat then first_action_id end
        )::text, 'UTF8')) as line_hash
    from numbered
),

stored as (
    insert into billing_report_lines (
        report_id, line_number, period, lead_id, action_id, product_id, user_key, lead_type,
        action_type, engagement_level, timestamp, outcome, gross_cents, billed_cents,
        duplicate_cents, cap_cents, cap_limit_cents, cap_used_before_cents, duplicate_of_lead_id,
        duplicate_of_action_id, duplicate_of_timestamp, line_hash
    )
    select
        cast(:report_id as uuid), line_number, period, lead_id, action_id, product_id, user_key, lead_type,
        action_type, engagement_level, timestamp, outcome::outcome, gross_cents, billed_cents,
        duplicate_cents, cap_cents, cap_limit_cents, cap_used_before_cents,
        case when is_repeat then first_lead_id end, case when is_repeat then first_action_id end,
        case when is_repeat then first_timestamp end, line_hash
    from hashed
    order by line_number
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
        coalesce(sum(billed_cents), 0)::bigint as due_cents,
        coalesce(jsonb_object_agg(product, product_name) filter (where product is not null), '{}')
            as product_names,
        coalesce(string_agg(line_hash, ''::bytea order by line_number), ''::bytea) as line_hashes
    from hashed
),

previous as (
    select content_hash
    from billing_reports
    where customer_id = :customer_id
    order by period desc
    limit 1
)

insert into billing_reports (
    report_id, run_id, customer_id, customer_name, period, timezone, rate_card_id, product_names,
    lead_count, action_count, prior_action_count, gross_cents, billed_cents, duplicate_cents,
    cap_cents, prior_billed_cents, due_cents, previous_hash, content_hash
)
select
    cast(:report_id as uuid), cast(:run_id as uuid), customers.customer_id, customers.name, cast(:period as date), customers.timezone,
    cast(:rate_card_id as uuid), product_names, lead_count, action_count, prior_action_count, gross_cents,
    billed_cents, duplicate_cents, summed.cap_cents, prior_billed_cents, due_cents,
    (select content_hash from previous),
    encode(sha256(convert_to(json_build_array(
        'lead-billing-report/1', customers.external_id, to_char(cast(:period as date), 'YYYY-MM'),
        customers.timezone, rate_cards.name, rate_cards.version,
        (select content_hash from previous), lead_count, action_count, prior_action_count,
        gross_cents, billed_cents, duplicate_cents, summed.cap_cents, prior_billed_cents,
        due_cents
    )::text, 'UTF8') || line_hashes), 'hex')
from summed
join customers on customers.customer_id = :customer_id
join rate_cards on rate_cards.rate_card_id = :rate_card_id
returning due_cents
