-- include: closing/block_flat_card_month
-- include: closing/block_month
-- include: disputes/pending_credits
-- params: customer_id uuid, period date, is_flat_card boolean
-- params: report_id uuid, run_id uuid, rate_card_id uuid, issuer text
-- params: issuer_address text, issuer_tax_id text, document_type text, sends_statement boolean
-- params: number_before text, number_after text, number_width int
--
-- Makes a customer's month final: rates it, stores its lines in blocks, its totals by lead, its
-- credits and its report, moves the customer's closed_through, announces the report, and says what it
-- comes to.
-- Only one of the two rating statements is run: :is_flat_card says which.
with blocks as materialized (
    select * from block_flat_card_month where :is_flat_card
    union all
    select
        period, cap_limit_cents, first_line, last_line, first_timestamp, last_timestamp, lead_ids,
        action_ids, product_ids, user_keys, lead_types, action_types, engagement_levels,
        timestamps, gross_cents, billed_cents, cap_used_before_cents, rates,
        duplicate_of_lead_ids, duplicate_of_action_ids, duplicate_of_timestamps
    from block_month
    where not :is_flat_card
),

-- Without a price for each line, the table refuses its block: every_line_has_a_price, which
-- common/closing/close_period.py knows by its name.
stored_blocks as (
    insert into billing_report_line_blocks (
        report_id, customer_id, period, cap_limit_cents, first_line, last_line, first_timestamp,
        last_timestamp, lead_ids, action_ids, product_ids, user_keys, lead_types, action_types,
        engagement_levels, timestamps, gross_cents, billed_cents, cap_used_before_cents, rates,
        duplicate_of_lead_ids, duplicate_of_action_ids, duplicate_of_timestamps, block_hash
    )
    select
        :report_id, :customer_id, blocks.*,
        block_hash(
            period, cap_limit_cents, action_ids, product_ids, user_keys, lead_types, action_types,
            gross_cents, cap_used_before_cents, rates, duplicate_of_lead_ids,
            duplicate_of_action_ids
        )
    from blocks
    returning first_line, block_hash
),

lead_totals as materialized (
    select
        is_own, lead_id, user_key, product_id, lead_type,
        sum(gross_cents)::bigint as gross_cents,
        sum(billed_cents)::bigint as billed_cents,
        sum(case when is_duplicate then gross_cents else 0 end)::bigint as duplicate_cents,
        sum(case when is_duplicate then 0 else gross_cents - billed_cents end)::bigint as cap_cents,
        count(*) as actions,
        count(*) filter (where is_duplicate) as duplicates
    from (
        select
            period = :period as is_own, unnest(lead_ids) as lead_id,
            unnest(product_ids) as product_id, unnest(user_keys) as user_key,
            unnest(lead_types) as lead_type, unnest(gross_cents) as gross_cents,
            unnest(billed_cents) as billed_cents,
            unnest(duplicate_of_action_ids) is not null as is_duplicate
        from blocks
    ) as line
    group by is_own, lead_id, user_key, product_id, lead_type
),

stored_lead_totals as (
    insert into billing_report_lead_totals (
        customer_id, report_id, lead_ids, user_keys, product_ids, lead_types, gross_cents,
        billed_cents, duplicate_cents, cap_cents, action_counts
    )
    select
        :customer_id,
        :report_id,
        coalesce(array_agg(lead_id), '{}'),
        coalesce(array_agg(user_key), '{}'),
        coalesce(array_agg(product_id), '{}'),
        coalesce(array_agg(lead_type), '{}'),
        coalesce(array_agg(gross_cents), '{}'), coalesce(array_agg(billed_cents), '{}'),
        coalesce(array_agg(duplicate_cents), '{}'), coalesce(array_agg(cap_cents), '{}'),
        coalesce(array_agg(actions), '{}')
    from (select * from lead_totals where is_own order by lead_id) as in_order
),

-- A disputed line of the draft becomes a line of this report, with what it is billed.
disputed as materialized (
    select
        dispute_lines.dispute_id, line.action_id,
        (blocks.first_line + line.place - 1)::int as line_number, line.billed_cents
    from blocks
    cross join lateral unnest(action_ids, billed_cents)
        with ordinality as line (action_id, billed_cents, place)
    join dispute_lines
        on dispute_lines.customer_id = :customer_id
        and dispute_lines.action_id = line.action_id
        and dispute_lines.report_id is null
    where blocks.action_ids && array(
        select dispute_lines.action_id
        from dispute_lines
        where dispute_lines.customer_id = :customer_id and dispute_lines.report_id is null
    )
),

placed_dispute_lines as (
    update dispute_lines set
        report_id = :report_id,
        line_number = disputed.line_number,
        amount_cents = disputed.billed_cents
    from disputed
    where dispute_lines.customer_id = :customer_id
        and dispute_lines.dispute_id = disputed.dispute_id
        and dispute_lines.action_id = disputed.action_id
),

credits as materialized (
    select
        row_number() over (order by decided_at, dispute_id, of_period, of_line_number)
            as credit_number,
        credit.*,
        credit_hash(
            dispute_id, reason, of_period, of_line_number, lead, action_id, amount_cents
        ) as credit_hash
    from (
        select
            dispute_id, reason, decided_at, of_report_id, of_period, of_line_number, lead,
            action_id, amount_cents
        from pending_credits
        union all
        select
            disputes.dispute_id, disputes.reason, disputes.decided_at, :report_id,
            cast(:period as date), disputed.line_number, leads.external_id, disputed.action_id,
            disputed.billed_cents
        from disputed
        join disputes
            on disputes.customer_id = :customer_id and disputes.dispute_id = disputed.dispute_id
        cross join lateral (
            select external_id
            from leads
            where leads.customer_id = :customer_id and leads.lead_id = disputes.lead_id
            limit 1
        ) as leads
        where disputes.status = 'accepted' and disputed.billed_cents > 0
    ) as credit
),

stored_credits as (
    insert into billing_report_credits (
        customer_id, report_id, credit_number, dispute_id, of_report_id, of_line_number,
        amount_cents, credit_hash
    )
    select
        :customer_id, :report_id, credit_number, dispute_id, of_report_id, of_line_number,
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

totals as (
    select
        lines.*, credited.*,
        lines.billed_cents + lines.prior_billed_cents - credited.credit_cents as due_cents
    from (
        select
            count(*) filter (where is_own) as lead_count,
            coalesce(sum(actions) filter (where is_own), 0)::bigint as action_count,
            coalesce(sum(actions) filter (where not is_own), 0)::bigint as prior_action_count,
            coalesce(sum(gross_cents) filter (where is_own), 0)::bigint as gross_cents,
            coalesce(sum(billed_cents) filter (where is_own), 0)::bigint as billed_cents,
            coalesce(sum(duplicate_cents) filter (where is_own), 0)::bigint as duplicate_cents,
            coalesce(sum(cap_cents) filter (where is_own), 0)::bigint as cap_cents,
            coalesce(sum(billed_cents) filter (where not is_own), 0)::bigint as prior_billed_cents,
            coalesce(sum(duplicates), 0)::bigint as duplicates
        from lead_totals
    ) as lines
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
        customers.billing_address as customer_address, customers.tax_id as customer_tax_id,
        customers.payment_terms_days, customers.billing_email,
        (now() at time zone customers.timezone)::date as issue_date,
        customers.timezone, cast(:period as date) as period, rate_cards.rate_card_id,
        rate_cards.name as card_name, rate_cards.version as card_version,
        (
            select coalesce(jsonb_object_agg(products.external_id, products.name), '{}')
            from products
            where products.product_id in (select product_id from lead_totals where is_own)
        ) as product_names,
        unit_prices(
            rate_cards.rate_card_id,
            array(select distinct lead_totals.product_id from lead_totals where is_own)
        ) as unit_prices,
        (
            select content_hash
            from billing_reports
            where billing_reports.customer_id = :customer_id
            order by billing_reports.period desc
            limit 1
        ) as previous_hash
    from customers
    join rate_cards on rate_cards.rate_card_id = :rate_card_id
    where customers.customer_id = :customer_id
),

-- The issuer's next number. Whoever has it holds up all other closing for this issuer until it
-- commits, which is why numbers have no gaps. So it is taken last, when all lines are stored.
numbered as (
    insert into statement_numbers (issuer, last_number)
    select :issuer, 1
    from totals
    where (select count(*) from stored_blocks) >= 0
    on conflict (issuer) do update set last_number = statement_numbers.last_number + 1
    returning last_number
),

named_and_numbered as (
    select
        named.*, issue_date + payment_terms_days as due_date,
        :number_before
            || lpad(last_number::text, greatest(:number_width, length(last_number::text)), '0')
            || :number_after as number
    from named
    cross join numbered
),

report as (
    select
        *,
        report_header(
            customer, customer_name, period, timezone, :issuer, now(), card_name, card_version,
            product_names, previous_hash, lead_count, action_count, prior_action_count,
            gross_cents, billed_cents, duplicate_cents, cap_cents, prior_billed_cents,
            credit_count, credit_cents, due_cents, :document_type, number, issue_date,
            payment_terms_days, due_date, :issuer_address, :issuer_tax_id, customer_address,
            customer_tax_id, unit_prices
        ) as header
    from named_and_numbered
    cross join totals
),

stored_report as (
    insert into billing_reports (
        report_id, run_id, customer_id, customer_name, period, timezone, rate_card_id,
        product_names, lead_count, action_count, prior_action_count, gross_cents, billed_cents,
        duplicate_cents, cap_cents, prior_billed_cents, credit_count, credit_cents, due_cents,
        document_type, number, issue_date, payment_terms_days, due_date, issuer_address,
        issuer_tax_id, customer_address, customer_tax_id, unit_prices, previous_hash, issuer,
        finalized_at, hash_version, header, content_hash
    )
    select
        :report_id, :run_id, customer_id, customer_name, period, timezone, rate_card_id,
        product_names, lead_count, action_count, prior_action_count, gross_cents, billed_cents,
        duplicate_cents, cap_cents, prior_billed_cents, credit_count, credit_cents, due_cents,
        :document_type, number, issue_date, payment_terms_days, due_date, :issuer_address,
        :issuer_tax_id, customer_address, customer_tax_id, unit_prices, previous_hash, :issuer,
        now(), 1, header,
        report_hash(
            header,
            (
                select coalesce(string_agg(block_hash, ''::bytea order by first_line), ''::bytea)
                from stored_blocks
            ),
            credit_hashes
        )
    from report
    returning *
),

-- Sent by the background worker (services/reports/mail), once this is committed.
requested_delivery as (
    insert into deliveries (customer_id, report_id, recipient, delivery_number)
    select stored_report.customer_id, stored_report.report_id, named.billing_email, 1
    from stored_report
    cross join named
    where :sends_statement and named.billing_email is not null
),

-- After the report is stored: alembic/sql/guards.sql looks for it.
closed_customer as (
    update customers set closed_through = stored_report.period
    from stored_report
    where customers.customer_id = :customer_id
),

audited as (
    insert into audit_log (action, subject, subject_id, after)
    select
        'closed', 'report', stored_report.report_id::text,
        jsonb_build_object(
            'customer_id', named.customer, 'period', stored_report.period,
            'number', stored_report.number, 'rate_card_id', stored_report.rate_card_id,
            'gross_cents', stored_report.gross_cents, 'billed_cents', stored_report.billed_cents,
            'duplicate_cents', stored_report.duplicate_cents, 'cap_cents', stored_report.cap_cents,
            'prior_billed_cents', stored_report.prior_billed_cents,
            'credit_cents', stored_report.credit_cents, 'due_cents', stored_report.due_cents,
            'content_hash', stored_report.content_hash
        )
    from stored_report
    cross join named
    union all
    select
        'created', 'credit', dispute_id::text,
        jsonb_build_object(
            'report_id', cast(:report_id as uuid), 'credit_number', credit_number,
            'of_report_id', of_report_id, 'of_line_number', of_line_number,
            'amount_cents', amount_cents
        )
    from credits
),

announced as (
    insert into webhook_deliveries (customer_id, webhook_id, owner_id, event_type, data)
    select
        stored_report.customer_id, webhook.webhook_id, webhook.owner_id, 'report.finalized',
        jsonb_build_object(
            'customer_id', named.customer, 'period', to_char(stored_report.period, 'YYYY-MM'),
            'report_id', stored_report.report_id, 'currency', 'USD',
            'billed', amount_text(stored_report.billed_cents),
            'due', amount_text(stored_report.due_cents),
            'content_hash', stored_report.content_hash, 'finalized_at', stored_report.finalized_at
        )
    from stored_report
    cross join named
    cross join lateral webhooks_of(stored_report.customer_id, 'report.finalized') as webhook
)

select
    stored_report.due_cents,
    stored_report.billed_cents + stored_report.prior_billed_cents as billed_cents,
    stored_report.duplicate_cents, stored_report.cap_cents,
    stored_report.prior_action_count as late_actions, totals.duplicates
from stored_report
cross join totals
