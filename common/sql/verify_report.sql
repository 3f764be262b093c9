-- Holds a final report against its own lines and against the actions they name, behind the common
-- table expressions of decide_actions.sql (as of the report) and number_lines.sql.
stored as materialized (
    select
        final.*, leads.external_id as lead, products.external_id as product,
        first_leads.external_id as first_lead, duplicate_of_action_id as repeated_action_id
    from billing_report_lines as final
    left join leads on leads.lead_id = final.lead_id
    left join products on products.product_id = final.product_id
    left join leads as first_leads on first_leads.lead_id = final.duplicate_of_lead_id
    where final.report_id = :report_id
),

hashed_again as materialized (
    select
        stored.*,
        {canonical_line} as hash_again
    from stored
),

header as (
    select
        reports.*, customers.external_id as customer, rate_cards.name as card_name,
        rate_cards.version as card_version,
        (
            select earlier.content_hash
            from billing_reports as earlier
            where earlier.customer_id = reports.customer_id and earlier.period < reports.period
            order by earlier.period desc
            limit 1
        ) as hash_before
    from billing_reports as reports
    join customers using (customer_id)
    join rate_cards using (rate_card_id)
    where reports.report_id = :report_id
),

lines_again as (
    select
        count(*) as line_count,
        coalesce(string_agg(hash_again, ''::bytea order by line_number), ''::bytea) as line_hashes
    from hashed_again
),

differing as (
    select
        hashed_again.line_number, hashed_again.lead, hashed_again.action_id,
        hashed_again.hash_again <> hashed_again.line_hash as is_changed,
        hashed.line_hash is distinct from hashed_again.hash_again as is_decided_otherwise
    from hashed_again
    left join hashed using (lead_id, action_id)
    where hashed_again.hash_again <> hashed_again.line_hash
        or hashed.line_hash is distinct from hashed_again.hash_again
    union all
    select number, null, null, true, true
    from header, generate_series(1, header.action_count + header.prior_action_count) as number
    where not exists (select from hashed_again where hashed_again.line_number = number)
)

select
    header.content_hash, header.previous_hash, header.hash_before, lines_again.line_count,
    (
        select {canonical_report}
        from (select header.*, lines_again.line_hashes) as again
    ) as stored_hash,
    (
        select {canonical_report}
        from (
            select
                header.customer, header.period, header.timezone, header.card_name,
                header.card_version, header.hash_before as previous_hash, summed.*
        ) as again
    ) as decided_hash,
    array_remove(array[
        case when header.lead_count <> summed.lead_count then 'leads' end,
        case when header.action_count <> summed.action_count then 'actions' end,
        case when header.prior_action_count <> summed.prior_action_count then 'prior_actions' end,
        case when header.gross_cents <> summed.gross_cents then 'gross' end,
        case when header.billed_cents <> summed.billed_cents then 'billed' end,
        case when header.duplicate_cents <> summed.duplicate_cents then 'savings.duplicate' end,
        case when header.cap_cents <> summed.cap_cents then 'savings.cap' end,
        case when header.prior_billed_cents <> summed.prior_billed_cents then 'prior_billed' end,
        case when header.due_cents <> summed.due_cents then 'due' end,
        case when not exists (
            select from billing_report_breakdowns as kept
            where kept.report_id = header.report_id
                and (
                    kept.lead_ids, kept.gross_cents, kept.billed_cents, kept.duplicate_cents,
                    kept.cap_cents, kept.action_counts
                ) = (
                    breakdown.lead_ids, breakdown.gross_cents, breakdown.billed_cents,
                    breakdown.duplicate_cents, breakdown.cap_cents, breakdown.action_counts
                )
        ) then 'breakdown' end
    ], null) as fields,
    (select count(*) from differing) as differing_count,
    coalesce((
        select json_agg(named order by line_number)
        from (select * from differing order by line_number limit :most) as named
    ), '[]') as differing
from header, lines_again, summed, breakdown
