create type dispute_reason as enum (
    'duplicate', 'invalid_contact', 'out_of_area', 'spam', 'not_requested', 'other'
);

create type dispute_status as enum ('open', 'accepted', 'rejected');

create table disputes (
    customer_id uuid not null,
    dispute_id uuid default gen_random_uuid() not null,
    lead_id uuid not null,
    reason dispute_reason not null,
    note text,
    opened_by text not null,
    opened_at timestamptz default now() not null,
    status dispute_status default 'open' not null,
    decided_by text,
    decision_note text,
    decided_at timestamptz,
    constraint pk_disputes primary key (customer_id, dispute_id),
    constraint uq_disputes_customer_id_dispute_id_status unique (customer_id, dispute_id, status),
    constraint fk_disputes_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict,
    constraint fk_disputes_customer_id_lead_id
        foreign key (customer_id, lead_id)
        references leads (customer_id, lead_id)
        on delete restrict,
    constraint ck_disputes_decided_by_somebody check (
        (status = 'open') = (decided_at is null)
        and (status = 'open') = (decided_by is null)
    ),
    constraint ck_disputes_other_says_what check (reason <> 'other' or note is not null)
);

create index ix_disputes_customer_id_lead_id on disputes (customer_id, lead_id);

create index ix_disputes_customer_id_opened_at_dispute_id
    on disputes (customer_id, opened_at, dispute_id);

-- For a request that does not name the customer.
create index ix_disputes_dispute_id on disputes (dispute_id);

-- For the list of all customers' disputes.
create index ix_disputes_opened_at_dispute_id on disputes (opened_at, dispute_id);

create table dispute_lines (
    customer_id uuid not null,
    dispute_id uuid not null,
    action_id uuid not null,
    report_id uuid,
    line_number int,
    amount_cents int,
    status dispute_status default 'open' not null,
    constraint pk_dispute_lines primary key (customer_id, dispute_id, action_id),
    constraint uq_dispute_lines_amount
        unique (customer_id, dispute_id, report_id, line_number, amount_cents),
    constraint fk_dispute_lines_customer_id_dispute_id_status
        foreign key (customer_id, dispute_id, status)
        references disputes (customer_id, dispute_id, status)
        on update cascade on delete restrict,
    constraint fk_dispute_lines_customer_id_report_id
        foreign key (customer_id, report_id)
        references billing_reports (customer_id, report_id)
        on delete restrict,
    constraint ck_dispute_lines_is_not_negative check (amount_cents >= 0),
    constraint ck_dispute_lines_is_of_a_draft_or_final check (
        (report_id is null) = (line_number is null)
        and (report_id is null) = (amount_cents is null)
    )
);

-- A line has one open dispute at a time, and none after an accepted one.
create unique index ix_dispute_lines_customer_id_action_id
    on dispute_lines (customer_id, action_id)
    where status <> 'rejected';

create index ix_dispute_lines_customer_id
    on dispute_lines (customer_id)
    where report_id is null;

comment on column dispute_lines.report_id is
    'the final report of the line; null while it stands on a draft';
comment on column dispute_lines.line_number is 'on its final report';
comment on column dispute_lines.amount_cents is 'what the line billed on its final report';
comment on column dispute_lines.status is 'that of its dispute';

create table billing_report_credits (
    customer_id uuid not null,
    report_id uuid not null,
    credit_number int not null,
    dispute_id uuid not null,
    of_report_id uuid not null,
    of_line_number int not null,
    amount_cents int not null,
    credit_hash bytea not null,
    constraint pk_billing_report_credits primary key (customer_id, report_id, credit_number),
    constraint uq_billing_report_credits_line unique (customer_id, of_report_id, of_line_number),
    constraint fk_billing_report_credits_customer_id_report_id
        foreign key (customer_id, report_id)
        references billing_reports (customer_id, report_id)
        on delete restrict,
    constraint fk_billing_report_credits_dispute_line
        foreign key (customer_id, dispute_id, of_report_id, of_line_number, amount_cents)
        references dispute_lines (customer_id, dispute_id, report_id, line_number, amount_cents)
        on delete restrict,
    constraint ck_billing_report_credits_number_counts_from_one check (credit_number >= 1)
);

comment on column billing_report_credits.credit_hash is 'SHA-256 (docs/verification.md)';
