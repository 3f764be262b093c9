create table billing_runs (
    run_id uuid default gen_random_uuid() not null,
    period date not null,
    actor text not null,
    started_at timestamptz default now() not null,
    finished_at timestamptz,
    closed int default 0 not null,
    already_closed int default 0 not null,
    failed int default 0 not null,
    due_cents bigint default 0 not null,
    constraint pk_billing_runs primary key (run_id)
);

comment on table billing_runs is
    'shared by all customers, and small: a run closes a period of many customers';
comment on column billing_runs.actor is 'who or what asked for it';
comment on column billing_runs.finished_at is 'null: running, or cut short';

create table statement_numbers (
    issuer text not null,
    last_number bigint not null,
    constraint pk_statement_numbers primary key (issuer),
    constraint ck_statement_numbers_count_from_one check (last_number >= 1)
);

comment on table statement_numbers is
    'shared by all customers, and small: the last statement number of each issuer';

create table billing_reports (
    customer_id uuid not null,
    report_id uuid not null,
    run_id uuid not null,
    customer_name text not null,
    period date not null,
    timezone text not null,
    rate_card_id uuid not null,
    product_names jsonb not null,
    lead_count int not null,
    action_count int not null,
    prior_action_count int not null,
    gross_cents bigint not null,
    billed_cents bigint not null,
    duplicate_cents bigint not null,
    cap_cents bigint not null,
    prior_billed_cents bigint not null,
    credit_count int default 0 not null,
    credit_cents bigint default 0 not null,
    due_cents bigint not null,
    document_type text not null,
    number text not null,
    issue_date date not null,
    payment_terms_days int not null,
    due_date date not null,
    issuer text not null,
    issuer_address text,
    issuer_tax_id text,
    customer_address text,
    customer_tax_id text,
    unit_prices jsonb not null,
    previous_hash text,
    hash_version int default 1 not null,
    header jsonb not null,
    content_hash text not null,
    finalized_at timestamptz default now() not null,
    constraint pk_billing_reports primary key (customer_id, report_id),
    constraint uq_billing_reports_customer_id_period unique (customer_id, period),
    constraint fk_billing_reports_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict,
    constraint fk_billing_reports_rate_card_id
        foreign key (rate_card_id) references rate_cards (rate_card_id) on delete restrict,
    constraint fk_billing_reports_run_id
        foreign key (run_id) references billing_runs (run_id) on delete restrict,
    constraint ck_billing_reports_document_type
        check (document_type in ('statement', 'invoice')),
    constraint ck_billing_reports_adds_up
        check (gross_cents = billed_cents + duplicate_cents + cap_cents),
    constraint ck_billing_reports_is_not_negative
        check (least(billed_cents, duplicate_cents, cap_cents) >= 0),
    constraint ck_billing_reports_period_starts_a_month check (extract(day from period) = 1)
);

comment on column billing_reports.report_id is
    'derived from customer_id and period: unique by itself too';
comment on column billing_reports.period is 'first day of the month, in `timezone`';
comment on column billing_reports.timezone is 'the customer''s IANA time zone when closed';
comment on column billing_reports.product_names is 'by product id';
comment on column billing_reports.lead_count is 'of this period''s lines';
comment on column billing_reports.prior_action_count is 'of prior-period lines';
comment on column billing_reports.gross_cents is 'of this period''s lines';
comment on column billing_reports.due_cents is
    'billed of this period and of its prior-period lines, less credits';
comment on column billing_reports.issuer is 'who bills, as set when it was closed';
comment on column billing_reports.document_type is 'statement or invoice';
comment on column billing_reports.number is
    'of the issuer''s series, without gaps (statement_numbers)';
comment on column billing_reports.issue_date is 'the day it was closed, in `timezone`';
comment on column billing_reports.customer_address is 'as it was when closed';
comment on column billing_reports.unit_prices is
    'of its rate card: arrays of product id, lead type, engagement level and cents';
comment on column billing_reports.previous_hash is
    'content_hash of the customer''s report before this one';
comment on column billing_reports.hash_version is 'how content_hash is made (docs/verification.md)';
comment on column billing_reports.header is 'what content_hash is over, besides lines and credits';
comment on column billing_reports.content_hash is 'SHA-256, hex';

create type outcome as enum ('billed', 'duplicate', 'partially_capped', 'capped');

create table billing_report_line_blocks (
    customer_id uuid not null,
    report_id uuid not null,
    first_line int not null,
    last_line int not null,
    period date not null,
    first_timestamp timestamptz not null,
    last_timestamp timestamptz not null,
    cap_limit_cents int not null,
    lead_ids uuid[] not null,
    action_ids uuid[] not null,
    product_ids uuid[] not null,
    user_keys uuid[] not null,
    lead_types text[] collate "C" not null,
    action_types text[] not null,
    engagement_levels engagement_level[] not null,
    timestamps timestamptz[] not null,
    gross_cents int[] not null,
    billed_cents int[] not null,
    cap_used_before_cents int[] not null,
    rates text[] not null,
    duplicate_of_lead_ids uuid[] not null,
    duplicate_of_action_ids uuid[] not null,
    duplicate_of_timestamps timestamptz[] not null,
    block_hash bytea not null,
    constraint pk_billing_report_line_blocks primary key (customer_id, report_id, first_line),
    constraint fk_billing_report_line_blocks_customer_id_report_id
        foreign key (customer_id, report_id)
        references billing_reports (customer_id, report_id)
        on delete restrict,
    constraint ck_billing_report_line_blocks_columns_are_of_one_length check (
        last_line - first_line + 1 = all (array[
            cardinality(lead_ids), cardinality(action_ids), cardinality(product_ids),
            cardinality(user_keys), cardinality(lead_types), cardinality(action_types),
            cardinality(engagement_levels), cardinality(timestamps), cardinality(gross_cents),
            cardinality(billed_cents), cardinality(cap_used_before_cents), cardinality(rates),
            cardinality(duplicate_of_lead_ids), cardinality(duplicate_of_action_ids),
            cardinality(duplicate_of_timestamps)
        ])
    ),
    constraint ck_billing_report_line_blocks_every_line_has_a_price
        check (array_position(gross_cents, null) is null),
    constraint ck_billing_report_line_blocks_is_not_negative check (
        0 <= all (gross_cents)
        and 0 <= all (billed_cents)
        and 0 <= all (cap_used_before_cents)
    ),
    constraint ck_billing_report_line_blocks_lines_count_from_one check (first_line >= 1)
);

create index ix_billing_report_line_blocks_customer_id_period
    on billing_report_line_blocks (customer_id, period);

comment on column billing_report_line_blocks.first_line is 'number of its first line on the report';
comment on column billing_report_line_blocks.period is
    'the actions'' own month; earlier than the report''s on prior-period lines';
comment on column billing_report_line_blocks.rates is
    'what kind of rate gave each price; null: one of its level alone';
comment on column billing_report_line_blocks.duplicate_of_lead_ids is
    'null where a line repeats nothing';
comment on column billing_report_line_blocks.block_hash is 'SHA-256 (docs/verification.md)';

-- Half of it is random bytes, and compressing the rest takes longer than writing it. Short columns
-- stand in the row itself: each piece elsewhere costs a row and an index entry.
alter table billing_report_line_blocks set (toast_tuple_target = 8160);
alter table billing_report_line_blocks
    alter lead_ids set storage external,
    alter action_ids set storage external,
    alter product_ids set storage external,
    alter user_keys set storage external,
    alter lead_types set storage external,
    alter action_types set storage external,
    alter engagement_levels set storage external,
    alter timestamps set storage external,
    alter gross_cents set storage external,
    alter billed_cents set storage external,
    alter cap_used_before_cents set storage external,
    alter rates set storage external,
    alter duplicate_of_lead_ids set storage external,
    alter duplicate_of_action_ids set storage external,
    alter duplicate_of_timestamps set storage external;

create table billing_report_lead_totals (
    customer_id uuid not null,
    report_id uuid not null,
    lead_ids uuid[] not null,
    user_keys uuid[] not null,
    product_ids uuid[] not null,
    lead_types text[] collate "C" not null,
    gross_cents bigint[] not null,
    billed_cents bigint[] not null,
    duplicate_cents bigint[] not null,
    cap_cents bigint[] not null,
    action_counts bigint[] not null,
    constraint pk_billing_report_lead_totals primary key (customer_id, report_id),
    constraint fk_billing_report_lead_totals_customer_id_report_id
        foreign key (customer_id, report_id)
        references billing_reports (customer_id, report_id)
        on delete restrict
);

alter table billing_report_lead_totals
    alter lead_ids set storage external,
    alter user_keys set storage external,
    alter product_ids set storage external,
    alter lead_types set storage external,
    alter gross_cents set storage external,
    alter billed_cents set storage external,
    alter duplicate_cents set storage external,
    alter cap_cents set storage external,
    alter action_counts set storage external;

create table late_actions (
    customer_id uuid not null,
    period date not null,
    lead_id uuid not null,
    action_id uuid not null,
    constraint pk_late_actions primary key (customer_id, period, lead_id, action_id)
);

comment on column late_actions.period is 'the closed month it belongs to';

create table parked_customers (
    customer_id uuid not null,
    period date not null,
    run_id uuid not null,
    reason text not null,
    parked_at timestamptz default now() not null,
    constraint pk_parked_customers primary key (customer_id, period),
    constraint fk_parked_customers_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict,
    constraint fk_parked_customers_run_id
        foreign key (run_id) references billing_runs (run_id) on delete restrict
);
