create table webhooks (
    webhook_id uuid default gen_random_uuid() not null,
    customer_id uuid,
    url text not null,
    events text[] not null,
    secret_salt bytea not null,
    previous_salt bytea,
    previous_until timestamptz,
    created_at timestamptz default now() not null,
    disabled_at timestamptz,
    disabled_because text,
    constraint pk_webhooks primary key (webhook_id),
    constraint fk_webhooks_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict,
    constraint ck_webhooks_is_told_something check (cardinality(events) > 0),
    constraint ck_webhooks_previous_secret_ends
        check ((previous_salt is null) = (previous_until is null)),
    constraint ck_webhooks_only_a_disabled_one_says_why
        check (disabled_because is null or disabled_at is not null)
);

comment on table webhooks is
    'shared by all customers, and small: a webhook of no customer is told the events of all';
comment on column webhooks.customer_id is 'null: the operator''s; else told this one''s events alone';
comment on column webhooks.events is 'the types of event that it is told';
comment on column webhooks.secret_salt is
    'its secret is derived from this and a key that is not in the database';
comment on column webhooks.previous_salt is 'of the secret before a rotation; signs too';
comment on column webhooks.previous_until is 'when the previous secret ends';
comment on column webhooks.disabled_because is 'null: a person disabled it';

-- The outbox: written in the transaction of what it tells, and sent later. One row for each webhook
-- that is told. Appended to without a unique column of its own, so that batches never wait for each
-- other.
create table webhook_deliveries (
    customer_id uuid not null,
    delivery_id uuid default gen_random_uuid() not null,
    webhook_id uuid not null,
    owner_id uuid,
    position bigint generated always as identity not null,
    message_id uuid default gen_random_uuid() not null,
    event_type text not null,
    data jsonb not null,
    occurred_at timestamptz default now() not null,
    attempts int default 0 not null,
    next_attempt_at timestamptz default now() not null,
    failing_since timestamptz,
    last_attempt_at timestamptz,
    last_status int,
    last_error text,
    delivered_at timestamptz,
    constraint pk_webhook_deliveries primary key (customer_id, delivery_id),
    constraint fk_webhook_deliveries_webhook_id
        foreign key (webhook_id) references webhooks (webhook_id) on delete cascade
);

-- What is still to be sent, in its order.
create index ix_webhook_deliveries_undelivered
    on webhook_deliveries (customer_id, webhook_id, position) where delivered_at is null;

-- For the list of a webhook's deliveries, which may be of all customers.
create index ix_webhook_deliveries_webhook_id_position
    on webhook_deliveries (webhook_id, position);

-- For taking out old ones, of all customers.
create index ix_webhook_deliveries_delivered_at
    on webhook_deliveries (delivered_at) where delivered_at is not null;

comment on column webhook_deliveries.customer_id is
    'of the event, registered or not; 00000000-0000-0000-0000-000000000000: of no customer';
comment on column webhook_deliveries.owner_id is 'customer_id of its webhook';
comment on column webhook_deliveries.position is 'events of a customer are sent in this order';
comment on column webhook_deliveries.message_id is
    'the header webhook-id: the same whenever the event is sent again';
comment on column webhook_deliveries.data is 'what the receiver is told';
comment on column webhook_deliveries.next_attempt_at is
    'not before; while it is being sent, when another worker may take it';
comment on column webhook_deliveries.failing_since is 'the first failed attempt';
comment on column webhook_deliveries.last_status is 'the status of the receiver''s last answer';
comment on column webhook_deliveries.last_error is 'why the last attempt failed';
