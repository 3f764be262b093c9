-- Compares a final report with its own lines and with the actions that they name, rated once more
-- as of the report, behind the common table expressions of place_lines.sql and sum_lines.sql.
-- Leads and credited lines are looked up one by one (`limit 1`): nested loops are switched off
-- (common/closing/queries.py), and a hash join would read all of them.
stored_blocks as materialized (
    select
        block.first_line, block.block_hash,
        block_hash(
            block.period, block.cap_limit_cents, block.action_ids, block.product_ids,
            block.user_keys, block.lead_types, block.action_types, block.gross_cents,
            block.cap_used_before_cents, block.rates, block.duplicate_of_lead_ids,
            block.duplicate_of_action_ids
        ) as hash_again
    from billing_report_line_blocks as block
    where block.report_id = :report_id
),

stored_lines as materialized (
    select line.*, leads.external_id as lead, block.block_hash <> block.hash_again as block_differs
    from billing_report_lines as line
    join stored_blocks as block on block.first_line = line.block_first_line
    left join lateral (
        select external_id from leads where leads.lead_id = line.lead_id limit 1
    ) as leads on true
    where line.report_id = :report_id
),

-- The hash of a credit as it is stored, and as its line gives it once more.
credits as materialized (
    select
        credit.credit_number, credit.credit_hash, credit.amount_cents, disputes.status,
        credit_hash(
            credit.dispute_id, disputes.reason, source.period, credit.of_line_number,
            leads.external_id, line.action_id, credit.amount_cents
        ) as hash_again,
        credit_hash(
            credit.dispute_id, disputes.reason, source.period, credit.of_line_number,
            leads.external_id, line.action_id, line.billed_cents
        ) as hash_of_line
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

credited as (
    select
        count(*) as credit_count,
        coalesce(sum(amount_cents), 0)::bigint as credit_cents,
        coalesce(string_agg(hash_again, ''::bytea order by credit_number), ''::bytea)
            as stored_hashes,
        coalesce(string_agg(hash_of_line, ''::bytea order by credit_number), ''::bytea)
            as rated_hashes
    from credits
),

-- The header as it was hashed, as the report holds it, and as its actions and credits give it.
report as (
    select
        report.report_id, report.content_hash, report.previous_hash, before.hash_before,
        report.action_count + report.prior_action_count as line_count,
        report.header as hashed_header,
        report_header(
            customers.external_id, report.customer_name, report.period, report.timezone,
            report.issuer, report.finalized_at, rate_cards.name, rate_cards.version,
            report.product_names, report.previous_hash, report.lead_count, report.action_count,
            report.prior_action_count, report.gross_cents, report.billed_cents,
            report.duplicate_cents, report.cap_cents, report.prior_billed_cents,
            report.credit_count, report.credit_cents, report.due_cents
        ) as stored_header,
        report_header(
            customers.external_id, report.customer_name, report.period, report.timezone,
            report.issuer, report.finalized_at, rate_cards.name, rate_cards.version,
            report.product_names, before.hash_before, summed.lead_count, summed.action_count,
            summed.prior_action_count, summed.gross_cents, summed.billed_cents,
            summed.duplicate_cents, summed.cap_cents, summed.prior_billed_cents,
            credited.credit_count, credited.credit_cents,
            summed.billed_cents + summed.prior_billed_cents - credited.credit_cents
        ) as rated_header
    from billing_reports as report
    join customers using (customer_id)
    join rate_cards using (rate_card_id)
    left join lateral (
        select earlier.content_hash as hash_before
        from billing_reports as earlier
        where earlier.customer_id = report.customer_id and earlier.period < report.period
        order by earlier.period desc
        limit 1
    ) as before on true
    cross join summed
    cross join credited
    where report.report_id = :report_id
),

-- A change of the hash before is not one of this report, and told by itself.
changed_fields as (
    select member.field
    from report
    cross join lateral unnest(array[
        'hash_version', 'customer', 'customer_name', 'period', 'timezone', 'issuer',
        'finalized_at', 'rate_card', 'rate_card', 'product_names', null, 'leads', 'actions',
        'prior_actions', 'gross', 'billed', 'savings.duplicate', 'savings.cap', 'prior_billed',
        'credits', 'credits', 'due'
    ]) with ordinality as member (field, number)
    cross join lateral (
        select
            hashed_header -> (number::int - 1) as hashed,
            stored_header -> (number::int - 1) as stored,
            rated_header -> (number::int - 1) as rated
    ) as each
    where member.field is not null
        and (stored is distinct from hashed or stored is distinct from rated)
    group by member.field
    order by min(number)
),

changed_lines as materialized (
    select
        stored.line_number, stored.lead, stored.action_id,
        stored.block_differs or compared.contradicts_itself as is_changed,
        compared.is_rated_otherwise
    from stored_lines as stored
    left join lines as rated using (lead_id, action_id)
    cross join lateral (
        select
            -- What follows from the rest of a line is not hashed with it: what it billed, and the
            -- lead, moment and level that its action's id stands for.
            coalesce(
                stored.action_id <> action_id(
                    stored.lead_id, stored.timestamp, stored.engagement_level, rated.occurrence,
                    rated.action_key
                ),
                false
            )
            or stored.billed_cents <> case
                when stored.duplicate_of_action_id is not null then 0
                else least(
                    stored.gross_cents, stored.cap_limit_cents - stored.cap_used_before_cents
                )
            end as contradicts_itself,
            (
                rated.period, rated.product_id, rated.user_key, rated.lead_type, rated.action_type,
                rated.engagement_level, rated.timestamp, rated.gross_cents, rated.billed_cents,
                rated.cap_limit_cents, rated.cap_used_before_cents, rated.rate,
                rated.repeated_lead_id, rated.repeated_action_id, rated.repeated_timestamp
            ) is distinct from (
                stored.period, stored.product_id, stored.user_key, stored.lead_type,
                stored.action_type, stored.engagement_level, stored.timestamp, stored.gross_cents,
                stored.billed_cents, stored.cap_limit_cents, stored.cap_used_before_cents,
                stored.rate, stored.duplicate_of_lead_id, stored.duplicate_of_action_id,
                stored.duplicate_of_timestamp
            ) as is_rated_otherwise
    ) as compared
    where compared.contradicts_itself or compared.is_rated_otherwise
    union all
    select number, null, null, true, true
    from report, generate_series(1, report.line_count) as number
    where not exists (select from stored_lines where stored_lines.line_number = number)
),

-- Numbers are compared only if nothing else differs: one missing line moves all lines behind it.
moved_lines as materialized (
    select stored.line_number, stored.lead, stored.action_id
    from stored_lines as stored
    join lines as rated using (lead_id, action_id)
    where stored.line_number <> rated.line_number and not exists (select from changed_lines)
),

-- A block whose hash alone differs: any of its lines could be meant.
differing_lines as (
    select * from changed_lines
    union all
    select *, false, false from moved_lines
    union all
    select line_number, lead, action_id, true, false
    from stored_lines
    where block_differs
        and not exists (select from changed_lines) and not exists (select from moved_lines)
)

select
    report.content_hash, report.previous_hash, report.hash_before,
    (select count(*) from stored_lines) as line_count,
    report_hash(
        report.stored_header,
        (
            select coalesce(string_agg(hash_again, ''::bytea order by first_line), ''::bytea)
            from stored_blocks
        ),
        credited.stored_hashes
    ) as stored_hash,
    report_hash(report.rated_header, summed.block_hashes, credited.rated_hashes) as rated_hash,
    array(select field from changed_fields) || array(
        select 'breakdown'
        where not exists (
            select from billing_report_lead_totals as kept
            where kept.report_id = report.report_id
                and (
                    kept.lead_ids, kept.gross_cents, kept.billed_cents, kept.duplicate_cents,
                    kept.cap_cents, kept.action_counts
                ) = (
                    breakdown.lead_ids, breakdown.gross_cents, breakdown.billed_cents,
                    breakdown.duplicate_cents, breakdown.cap_cents, breakdown.action_counts
                )
        )
    ) as fields,
    array(
        select credit_number from credits
        where hash_again <> credit_hash
            or hash_of_line is distinct from hash_again
            or status <> 'accepted'
        order by credit_number
        limit :most
    ) as differing_credits,
    (select count(*) from differing_lines) as differing_count,
    coalesce((
        select json_agg(differing order by line_number)
        from (select * from differing_lines order by line_number limit :most) as differing
    ), '[]') as differing
from report, summed, breakdown, credited
