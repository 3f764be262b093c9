create table exports (
    export_id uuid not null,
    customer_id uuid,
    created_by text not null,
    actor text not null,
    created_at timestamptz default now() not null,
    kind text not null,
    format text,
    period date not null,
    customer_ids uuid[],
    delimiter text,
    decimal_mark text,
    unmasked boolean default false not null,
    content_hash text,
    attempts int default 0 not null,
    lease_id uuid,
    leased_until timestamptz,
    rows_total int,
    rows_done int default 0 not null,
    finished_at timestamptz,
    expires_at timestamptz,
    error text,
    file_name text,
    file_bytes bigint,
    constraint pk_exports primary key (export_id),
    constraint fk_exports_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict,
    constraint ck_exports_period_starts_a_month check (extract(day from period) = 1),
    constraint ck_exports_a_file_or_an_error_ends_it check (
        num_nonnulls(error, file_bytes) = (finished_at is not null)::int
        and (file_name is null or file_bytes is not null)
    )
);

create index ix_exports_unfinished on exports (created_at) where finished_at is null;
create index ix_exports_expires_at on exports (expires_at) where file_name is not null;
create index ix_exports_created_at on exports (created_at);

comment on table exports is
    'shared by all customers, and small: an export may have reports of several customers';
comment on column exports.customer_id is 'the customer of the key that asked; null: a key of none';
comment on column exports.created_by is 'the id of the key; empty: open access on this machine';
comment on column exports.actor is 'who asked, as the audit log names it';
comment on column exports.format is 'null: the kind has only one';
comment on column exports.customer_ids is 'whose reports; null: of all that the key may see';
comment on column exports.unmasked is 'shows users in full, to who may see people alone';
comment on column exports.content_hash is
    'of the final report that the file is of; null: a draft''s, or of several reports';
comment on column exports.lease_id is 'of the worker that is at it; changes when another takes over';
comment on column exports.leased_until is 'then another worker may take it up';
comment on column exports.expires_at is 'when the file is deleted';
comment on column exports.error is 'why there is no file';
comment on column exports.file_name is 'null: there is no file yet, or none any more';
