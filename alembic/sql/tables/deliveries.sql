create type delivery_status as enum (
    'pending', 'sent', 'delivered', 'bounced', 'complained', 'failed'
);

create table deliveries (
    customer_id uuid not null,
    report_id uuid not null,
    recipient text not null,
    delivery_number int not null,
    status delivery_status default 'pending' not null,
    attempts int default 0 not null,
    next_attempt_at timestamptz default now() not null,
    provider_id text,
    detail text,
    created_at timestamptz default now() not null,
    sent_at timestamptz,
    constraint pk_deliveries primary key (customer_id, report_id, recipient, delivery_number),
    constraint fk_deliveries_customer_id_report_id
        foreign key (customer_id, report_id)
        references billing_reports (customer_id, report_id)
        on delete restrict,
    constraint ck_deliveries_count_from_one check (delivery_number >= 1)
);

create index ix_deliveries_pending on deliveries (next_attempt_at) where status = 'pending';
create index ix_deliveries_provider_id on deliveries (provider_id) where provider_id is not null;

comment on column deliveries.recipient is 'the customer''s billing email when it was asked for';
comment on column deliveries.delivery_number is '1: closing asked for it; else somebody, once more';
comment on column deliveries.next_attempt_at is
    'when a worker may take it; while one sends it, when its lease runs out';
comment on column deliveries.provider_id is 'the mail service''s id of the message';
comment on column deliveries.detail is 'why it was not sent or not taken';
