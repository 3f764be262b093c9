-- include: closing/block_month materialized
-- params: customer_id uuid, report_id uuid, max_differences int
--
-- Compares the final report of :period with its own lines, and with the actions that these lines
-- name: block_month.sql rates them once more, `as_of` the report.
-- Leads and credited lines are looked up one by one (`limit 1`): nested loops are switched off
-- (common/closing/close_period.py), and a hash join would read all of them.
with rated_lines as materialized (
    select
        block_month.period, block_month.cap_limit_cents,
        block_month.first_line + line.place::int - 1 as line_number, line.*
    from block_month
    cross join lateral unnest(
        lead_ids, action_ids, product_ids, user_keys, lead_types, action_types, action_keys,
        occurrences, engagement_levels, timestamps, gross_cents, billed_cents,
        cap_used_before_cents, rates, duplicate_of_lead_ids, duplicate_of_action_ids,
        duplicate_of_timestamps
    ) with ordinality as line (
        lead_id, action_id, product_id, user_key, lead_type, action_type, action_key, occurrence,
        engagement_level, timestamp, gross_cents, billed_cents, cap_used_before_cents, rate,
        duplicate_of_lead_id, duplicate_of_action_id, duplicate_of_timestamp, place
    )
),

rated_lead_totals as materialized (
    select
        period = :period as is_own, lead_id, user_key, product_id, lead_type,
        sum(gross_cents)::bigint as gross_cents,
        sum(billed_cents)::bigint as billed_cents,
        coalesce(sum(gross_cents - billed_cents) filter (where is_duplicate), 0)::bigint
            as duplicate_cents,
        coalesce(sum(gross_cents - billed_cents) filter (where not is_duplicate), 0)::bigint
            as cap_cents,
        count(*) as actions
    from rated_lines
    cross join lateral (select duplicate_of_action_id is not null as is_duplicate) as outcome
    group by is_own, lead_id, user_key, product_id, lead_type
),

rated as (
    select
        count(*) filter (where is_own) as lead_count,
        coalesce(sum(actions) filter (where is_own), 0)::bigint as action_count,
        coalesce(sum(actions) filter (where not is_own), 0)::bigint as prior_action_count,
        coalesce(sum(gross_cents) filter (where is_own), 0)::bigint as gross_cents,
        coalesce(sum(billed_cents) filter (where is_own), 0)::bigint as billed_cents,
        coalesce(sum(duplicate_cents) filter (where is_own), 0)::bigint as duplicate_cents,
        coalesce(sum(cap_cents) filter (where is_own), 0)::bigint as cap_cents,
        coalesce(sum(billed_cents) filter (where not is_own), 0)::bigint as prior_billed_cents
    from rated_lead_totals
),

-- Two totals of a lead differ where one of the two is missing, too.
differing_lead_totals as (
    select 1
    from (
        select totals.*
        from billing_report_lead_totals as stored
        cross join lateral unnest(
            lead_ids, user_keys, product_ids, lead_types, gross_cents, billed_cents,
            duplicate_cents, cap_cents, action_counts
        ) as totals (
            lead_id, user_key, product_id, lead_type, gross_cents, billed_cents, duplicate_cents,
            cap_cents, actions
        )
        where stored.customer_id = :customer_id and stored.report_id = :report_id
    ) as stored
    full join (select * from rated_lead_totals where is_own) as rated using (lead_id)
    where (
            stored.user_key, stored.product_id, stored.lead_type, stored.gross_cents,
            stored.billed_cents, stored.duplicate_cents, stored.cap_cents, stored.actions
        ) is distinct from (
            rated.user_key, rated.product_id, rated.lead_type, rated.gross_cents,
            rated.billed_cents, rated.duplicate_cents, rated.cap_cents, rated.actions
        )
),

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
    where block.customer_id = :customer_id and block.report_id = :report_id
),

stored_lines as materialized (
    select line.*, leads.external_id as lead, block.block_hash <> block.hash_again as block_differs
    from billing_report_lines as line
    join stored_blocks as block on block.first_line = line.block_first_line
    left join lateral (
        select external_id
        from leads
        where leads.customer_id = :customer_id and leads.lead_id = line.lead_id
        limit 1
    ) as leads on true
    where line.customer_id = :customer_id and line.report_id = :report_id
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
    left join disputes
        on disputes.customer_id = :customer_id and disputes.dispute_id = credit.dispute_id
    left join billing_reports as source
        on source.customer_id = :customer_id and source.report_id = credit.of_report_id
    left join lateral (
        select *
        from billing_report_lines as line
        where line.customer_id = :customer_id
            and line.report_id = credit.of_report_id
            and line.line_number = credit.of_line_number
            and credit.of_line_number between line.block_first_line and line.block_last_line
        limit 1
    ) as line on true
    left join lateral (
        select external_id
        from leads
        where leads.customer_id = :customer_id and leads.lead_id = line.lead_id
        limit 1
    ) as leads on true
    where credit.customer_id = :customer_id and credit.report_id = :report_id
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
            report.credit_count, report.credit_cents, report.due_cents, report.document_type,
            report.number, report.issue_date, report.payment_terms_days, report.due_date,
            report.issuer_address, report.issuer_tax_id, report.customer_address,
            report.customer_tax_id, report.unit_prices
        ) as stored_header,
        report_header(
            customers.external_id, report.customer_name, report.period, report.timezone,
            report.issuer, report.finalized_at, rate_cards.name, rate_cards.version,
            report.product_names, before.hash_before, rated.lead_count, rated.action_count,
            rated.prior_action_count, rated.gross_cents, rated.billed_cents,
            rated.duplicate_cents, rated.cap_cents, rated.prior_billed_cents,
            credited.credit_count, credited.credit_cents,
            rated.billed_cents + rated.prior_billed_cents - credited.credit_cents,
            report.document_type, report.number, report.issue_date, report.payment_terms_days,
            report.due_date, report.issuer_address, report.issuer_tax_id,
            report.customer_address, report.customer_tax_id,
            unit_prices(
                report.rate_card_id,
                array(select distinct product_id from rated_lines where period = :period)
            )
        ) as rated_header
    from billing_reports as report
    join customers using (customer_id)
    join rate_cards using (rate_card_id)
    left join lateral (
        select earlier.content_hash as hash_before
        from billing_reports as earlier
        where earlier.customer_id = :customer_id and earlier.period < report.period
        order by earlier.period desc
        limit 1
    ) as before on true
    cross join rated
    cross join credited
    where report.customer_id = :customer_id and report.report_id = :report_id
),

-- A change of the hash before is not one of this report, and told by itself.
changed_fields as (
    select member.field
    from report
    cross join lateral unnest(array[
        'hash_version', 'customer', 'customer_name', 'period', 'timezone', 'issuer',
        'finalized_at', 'rate_card', 'rate_card', 'product_names', null, 'leads', 'actions',
        'prior_actions', 'gross', 'billed', 'savings.duplicate', 'savings.cap', 'prior_billed',
        'credits', 'credits', 'due', 'document_type', 'number', 'issue_date',
        'payment_terms_days', 'due_date', 'issuer_address', 'issuer_tax_id', 'customer_address',
        'customer_tax_id', 'unit_prices'
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
    left join rated_lines as rated using (lead_id, action_id)
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
                rated.cap_limit_cents, rated.cap_used_before_cents,
                coalesce(rated.rate, 'level'), rated.duplicate_of_lead_id,
                rated.duplicate_of_action_id, rated.duplicate_of_timestamp
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
    join rated_lines as rated using (lead_id, action_id)
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
    report_hash(
        report.rated_header,
        (
            select coalesce(
                string_agg(
                    block_hash(
                        period, cap_limit_cents, action_ids, product_ids, user_keys, lead_types,
                        action_types, gross_cents, cap_used_before_cents, rates,
                        duplicate_of_lead_ids, duplicate_of_action_ids
                    ),
                    ''::bytea
                    order by first_line
                ),
                ''::bytea
            )
            from block_month
        ),
        credited.rated_hashes
    ) as rated_hash,
    array(select field from changed_fields)
        || array(select 'breakdown' where exists (select from differing_lead_totals)) as fields,
    array(
        select credit_number from credits
        where hash_again <> credit_hash
            or hash_of_line is distinct from hash_again
            or status <> 'accepted'
        order by credit_number
        limit :max_differences
    ) as differing_credits,
    (select count(*) from differing_lines) as differing_count,
    coalesce((
        select json_agg(differing order by line_number)
        from (select * from differing_lines order by line_number limit :max_differences) as differing
    ), '[]') as differing
from report, credited
