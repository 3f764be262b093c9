-- params: report_id uuid, run_id uuid, customer_id uuid, period date, rate_card_id uuid
-- params: issuer text
--
-- Stores the final report of what is numbered, behind the common table expressions of
-- store_blocks.sql, sum_lines.sql and pending_credits.sql, in one statement.
stored_breakdown as (
    insert into billing_report_lead_totals (
        report_id, lead_ids, gross_cents, billed_cents, duplicate_cents, cap_cents, action_counts
    )
    select
        cast(:report_id as uuid), lead_ids, gross_cents, billed_cents, duplicate_cents, cap_cents,
        action_counts
    from breakdown
),

credits as materialized (
    select
        pending.*,
        credit_hash(
            dispute_id, reason, of_period, of_line_number, lead, action_id, amount_cents
        ) as credit_hash
    from pending
),

stored_credits as (
    insert into billing_report_credits (
        report_id, credit_number, dispute_id, of_report_id, of_line_number, amount_cents,
        credit_hash
    )
    select
        cast(:report_id as uuid), credit_number, dispute_id, of_report_id, of_line_number,
        amount_cents, credit_hash
    from credits
),

no_longer_late as (
    delete from late_actions where late_actions.customer_id = :customer_id
),

no_longer_parked as (
    delete from parked_customers
    where parked_customers.customer_id = :customer_id and parked_customers.period <= :period
),

totalled as (
    select
        summed.*, credited.*,
        summed.billed_cents + summed.prior_billed_cents - credited.credit_cents as due_cents
    from summed
    cross join (
        select
            count(*) as credit_count,
            coalesce(sum(amount_cents), 0)::bigint as credit_cents,
            coalesce(string_agg(credit_hash, ''::bytea order by credit_number), ''::bytea)
                as credit_hashes
        from credits
    ) as credited
),

named as (
    select
        customers.customer_id, customers.external_id as customer, customers.name as customer_name,
        customers.timezone, cast(:period as date) as period, rate_cards.rate_card_id,
        rate_cards.name as card_name, rate_cards.version as card_version,
        (
            select coalesce(jsonb_object_agg(products.external_id, products.name), '{}')
            from products
            where product_id in (select per_lead.product_id from per_lead where is_own)
        ) as product_names,
        (
            select content_hash
            from billing_reports
            where billing_reports.customer_id = customers.customer_id
            order by billing_reports.period desc
            limit 1
        ) as previous_hash
    from customers
    join rate_cards on rate_cards.rate_card_id = :rate_card_id
    where customers.customer_id = :customer_id
),

report as (
    select
        *,
        report_header(
            customer, customer_name, period, timezone, :issuer, now(), card_name, card_version,
            product_names, previous_hash, lead_count, action_count, prior_action_count,
            gross_cents, billed_cents, duplicate_cents, cap_cents, prior_billed_cents,
            credit_count, credit_cents, due_cents
        ) as header
    from named
    cross join totalled
)

insert into billing_reports (
    report_id, run_id, customer_id, customer_name, period, timezone, rate_card_id, product_names,
    lead_count, action_count, prior_action_count, gross_cents, billed_cents, duplicate_cents,
    cap_cents, prior_billed_cents, credit_count, credit_cents, due_cents, previous_hash,
    issuer, finalized_at, hash_version, header, content_hash
)
select
    cast(:report_id as uuid), cast(:run_id as uuid), customer_id, customer_name, period, timezone,
    rate_card_id, product_names, lead_count, action_count, prior_action_count, gross_cents,
    billed_cents, duplicate_cents, cap_cents, prior_billed_cents, credit_count, credit_cents,
    due_cents, previous_hash, :issuer, now(), 1, header,
    report_hash(header, block_hashes, credit_hashes)
from report
returning
    due_cents, billed_cents + prior_billed_cents, duplicate_cents, cap_cents, prior_action_count,
    (select coalesce(sum(repeats), 0)::bigint from per_lead)
