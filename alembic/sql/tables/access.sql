create type key_role as enum ('ingest', 'viewer', 'viewer+people', 'admin');

create table api_keys (
    key_id text collate "C" not null,
    name text not null,
    role key_role not null,
    customer_id uuid,
    secret_hash bytea not null,
    created_at timestamptz default now() not null,
    expires_at timestamptz,
    rotated_from text collate "C",
    constraint pk_api_keys primary key (key_id),
    constraint fk_api_keys_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict,
    constraint fk_api_keys_rotated_from
        foreign key (rotated_from) references api_keys (key_id) on delete restrict,
    constraint ck_api_keys_an_admin_belongs_to_no_customer
        check (role <> 'admin' or customer_id is null),
    constraint ck_api_keys_secret_hash_is_sha256 check (octet_length(secret_hash) = 32)
);

comment on table api_keys is
    'shared by all customers, and small: a key is looked up before its customer is known';
comment on column api_keys.key_id is 'part of the key';
comment on column api_keys.name is 'who or what uses it';
comment on column api_keys.customer_id is
    'null: of every customer; else sees and sends this one''s data alone';
comment on column api_keys.secret_hash is 'SHA-256 of the whole key';
comment on column api_keys.expires_at is 'refused from then on';
comment on column api_keys.rotated_from is 'the key that was rotated';

create table audit_log (
    entry_id bigint generated always as identity not null,
    recorded_at timestamptz default now() not null,
    actor text
        default coalesce(
            nullif(current_setting('lead_billing.actor', true), ''),
            'database role ' || session_user
        ) not null,
    database_user text default session_user not null,
    action text not null,
    subject text not null,
    subject_id text not null,
    before jsonb,
    after jsonb,
    constraint pk_audit_log primary key (entry_id)
);

comment on table audit_log is 'shared by all customers, and small: a change may be of no customer';
comment on column audit_log.actor is 'a key, a command, or a database role';
comment on column audit_log.database_user is 'who was signed in to the database';
comment on column audit_log.action is 'created, changed, closed, replayed, erased, ...';
comment on column audit_log.subject is 'kind of what was changed';
