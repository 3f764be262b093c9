create table idempotency_keys (
    customer_id uuid not null,
    api_key_id text collate "C" not null,
    key_hash bytea not null,
    request_hash bytea not null,
    lease_id uuid not null,
    leased_until timestamptz not null,
    is_carried_out boolean default false not null,
    status smallint,
    headers jsonb,
    body bytea,
    expires_at timestamptz default now() + interval '24 hours' not null,
    constraint pk_idempotency_keys primary key (customer_id, api_key_id, key_hash),
    constraint ck_idempotency_keys_an_answer_has_a_status
        check (num_nonnulls(headers, body) = 0 or status is not null)
);

-- For taking out old ones, of all customers.
create index ix_idempotency_keys_expires_at on idempotency_keys (expires_at);

comment on column idempotency_keys.customer_id is
    'of the API key; 00000000-0000-0000-0000-000000000000: an API key of no customer';
comment on column idempotency_keys.api_key_id is 'empty: open access on this machine';
comment on column idempotency_keys.key_hash is 'SHA-256 of the key that the caller sent';
comment on column idempotency_keys.request_hash is
    'SHA-256 of method, address and body: the same key with another request is refused';
comment on column idempotency_keys.lease_id is 'of the request that is being worked on';
comment on column idempotency_keys.leased_until is 'then the same request may be tried anew';
comment on column idempotency_keys.is_carried_out is
    'something was changed: set in the transaction that changes it';
comment on column idempotency_keys.status is 'of the answer; null: there is none yet';
comment on column idempotency_keys.body is
    'the answer; null with a status: it held a secret, or perhaps an erased user';
