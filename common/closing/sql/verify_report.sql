-- Holds a final report against its own lines and against the actions they name, behind the common
-- table expressions of decide_actions.sql (as of the report), hash_lines.sql and sum_lines.sql.
-- What is looked up one by one is so by `limit 1`: all else is joined by hashes (settlement.py).
stored_blocks as materialized (
    select
        block.first_line, {canonical_block} as hash_again,
        block.block_hash <> {canonical_block} as is_changed
    from billing_report_line_blocks as block
    where block.report_id = :report_id
),

stored as materialized (
    select
        final.*, leads.external_id as lead, products.external_id as product,
        repeated.external_id as repeated_lead, duplicate_of_lead_id as repeated_lead_id,
        duplicate_of_action_id as repeated_action_id
    from billing_report_lines as final
    left join lateral (
        select external_id from leads where leads.lead_id = final.lead_id limit 1
    ) as leads on true
    left join products on products.product_id = final.product_id
    left join lateral (
        select external_id from leads where leads.lead_id = final.duplicate_of_lead_id limit 1
    ) as repeated on true
    where final.report_id = :report_id
),

hashed_again as materialized (
    select
        line.*,
        {canonical_line} as hash_again
    from stored as line
),

-- A credit is what its line had billed, decided again: the line's own amount.
credits as materialized (
    select
        credit.credit_number, credit.credit_hash, credit.dispute_id, credit.amount_cents,
        credit.of_line_number, disputes.reason, disputes.status, source.period as of_period,
        leads.external_id as lead, line.action_id, line.billed_cents
    from billing_report_credits as credit
    left join disputes using (dispute_id)
    left join billing_reports as source on source.report_id = credit.of_report_id
    left join lateral (
        select *
        from billing_report_lines as line
        where line.report_id = credit.of_report_id and line.line_number = credit.of_line_number
            and credit.of_line_number between line.block_first_line and line.block_last_line
        limit 1
    ) as line on true
    left join lateral (
        select external_id from leads where leads.lead_id = line.lead_id limit 1
    ) as leads on true
    where credit.report_id = :report_id
),

credits_again as materialized (
    select
        credits.*,
        {canonical_credit} as hash_again,
        (
            select {canonical_credit}
            from (
                select
                    credits.dispute_id, credits.reason, credits.of_period, credits.of_line_number,
                    credits.lead, credits.action_id, credits.billed_cents as amount_cents
            ) as of_its_line
        ) as hash_of_line
    from credits
),

credited as (
    select
        count(*) as credit_count,
        coalesce(sum(amount_cents), 0)::bigint as credit_cents,
        coalesce(string_agg(hash_again, ''::bytea order by credit_number), ''::bytea)
            as credit_hashes,
        coalesce(string_agg(hash_of_line, ''::bytea order by credit_number), ''::bytea)
            as decided_credit_hashes
    from credits_again
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
        coalesce(({stored_hashes}), ''::bytea) as line_hashes
    from hashed_again
),

changed as materialized (
    select
        hashed_again.line_number, hashed_again.lead, hashed_again.action_id,
        coalesce(hashed_again.hash_again <> hashed_again.line_hash, block.is_changed)
            or contradicts_itself as is_changed,
        lines.line_hash is distinct from hashed_again.hash_again
            or is_told_otherwise as is_decided_otherwise
    from hashed_again
    join stored_blocks as block on block.first_line = hashed_again.block_first_line
    left join lines using (lead_id, action_id)
    cross join lateral (
        select
            -- When the repeated action happened is told, but not hashed: its own line's hash does.
            lines.repeated_timestamp is distinct from hashed_again.duplicate_of_timestamp
                as is_told_otherwise,
            -- Nor are, from form 5 on, what an action's id is a hash of, and what was billed: that
            -- follows from the price and the cap.
            coalesce(hashed_again.action_id <> {action_id}, false)
                or hashed_again.billed_cents <> case
                    when hashed_again.repeated_action_id is not null then 0
                    else least(
                        hashed_again.gross_cents,
                        hashed_again.cap_limit_cents - hashed_again.cap_used_before_cents
                    )
                end as contradicts_itself
    ) as told
    where hashed_again.hash_again <> hashed_again.line_hash
        or contradicts_itself
        or lines.line_hash is distinct from hashed_again.hash_again
        or is_told_otherwise
    union all
    select number, null, null, true, true
    from header, generate_series(1, header.action_count + header.prior_action_count) as number
    where not exists (select from hashed_again where hashed_again.line_number = number)
),

-- Numbers are told only where nothing else is: one line that is gone moves all behind it.
moved as materialized (
    select hashed_again.line_number, hashed_again.lead, hashed_again.action_id, false, false
    from hashed_again
    join lines using (lead_id, action_id)
    where hashed_again.line_number <> lines.line_number and not exists (select from changed)
),

-- And a block whose hash is not the one of its lines, only where all of these are what they were.
differing as (
    select * from changed
    union all
    select * from moved
    union all
    select hashed_again.line_number, hashed_again.lead, hashed_again.action_id, true, false
    from hashed_again
    join stored_blocks as block on block.first_line = hashed_again.block_first_line
    where block.is_changed and not exists (select from changed) and not exists (select from moved)
)

select
    header.content_hash, header.previous_hash, header.hash_before, lines_again.line_count,
    (
        select {canonical_report}
        from (select header.*, lines_again.line_hashes, credited.credit_hashes) as again
    ) as stored_hash,
    (
        select {canonical_report}
        from (
            select
                header.customer, header.period, header.timezone, header.card_name,
                header.card_version, header.hash_before as previous_hash, summed.*,
                credited.credit_count, credited.credit_cents,
                credited.decided_credit_hashes as credit_hashes,
                summed.billed_cents + summed.prior_billed_cents - credited.credit_cents
                    as due_cents
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
        case
            when (header.credit_count, header.credit_cents)
                <> (credited.credit_count, credited.credit_cents) then 'credits'
        end,
        case
            when header.due_cents
                <> summed.billed_cents + summed.prior_billed_cents - credited.credit_cents
                then 'due'
        end,
        case when not exists (
            select from billing_report_lead_totals as kept
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
    array(
        select credit_number from credits_again
        where hash_again <> credit_hash
            or hash_of_line is distinct from hash_again
            or status <> 'accepted'
        order by credit_number
        limit :most
    ) as differing_credits,
    (select count(*) from differing) as differing_count,
    coalesce((
        select json_agg(named order by line_number)
        from (select * from differing order by line_number limit :most) as named
    ), '[]') as differing
from header, lines_again, summed, breakdown, credited
