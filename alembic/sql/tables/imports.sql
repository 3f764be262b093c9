create table imports (
    import_id uuid not null,
    customer_id uuid,
    created_by text not null,
    created_at timestamptz default now() not null,
    finished_at timestamptz,
    file_name text,
    content_hash bytea,
    mapping jsonb not null,
    row_count int not null,
    rows_done int not null,
    counts jsonb not null,
    actions_added int not null,
    refused_count int not null,
    refused text,
    file_key text,
    file_bytes bigint,
    upload_token_hash bytea,
    upload_until timestamptz,
    arrived_at timestamptz,
    attempts int default 0 not null,
    lease_id uuid,
    leased_until timestamptz,
    error text,
    constraint pk_imports primary key (import_id),
    constraint fk_imports_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict,
    constraint ck_imports_rows_done_are_of_the_file check (rows_done between 0 and row_count),
    constraint ck_imports_a_finished_one_is_whole
        check (finished_at is null or rows_done = row_count),
    constraint ck_imports_content_hash_is_sha256 check (octet_length(content_hash) = 32),
    constraint ck_imports_upload_token_hash_is_sha256 check (octet_length(upload_token_hash) = 32),
    constraint ck_imports_file_is_sent_or_kept check (num_nonnulls(content_hash, file_bytes) = 1),
    constraint ck_imports_a_refused_one_is_not_finished check (error is null or finished_at is null)
);

create table mappings (
    mapping_id uuid not null,
    customer_id uuid,
    name text collate "C" not null,
    mapping jsonb not null,
    created_at timestamptz default now() not null,
    constraint pk_mappings primary key (mapping_id),
    constraint uq_mappings_customer_id_name unique nulls not distinct (customer_id, name),
    constraint fk_mappings_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict
);

create index ix_imports_unfinished on imports (content_hash) where finished_at is null;
create index ix_imports_kept_file on imports (arrived_at) where file_key is not null;
create index ix_imports_created_at on imports (created_at);

comment on table imports is
    'shared by all customers, and small: an import may have leads of several customers';
comment on column imports.customer_id is 'the customer of the key that sent it; null: a key of none';
comment on column imports.created_by is 'the id of the key; empty: open access on this machine';
comment on column imports.content_hash is
    'SHA-256 of the file and its mapping; null: the file was uploaded or dropped into the bucket';
comment on column imports.file_key is
    'where the file of an upload stands in the file store; null: nowhere, or not any more';
comment on column imports.file_bytes is 'its size';
comment on column imports.upload_token_hash is
    'SHA-256 of what the service''s own address for the upload holds; null: an address of S3';
comment on column imports.upload_until is 'how long that address may be used';
comment on column imports.arrived_at is 'since when the whole file is there';
comment on column imports.lease_id is 'the worker that is at it';
comment on column imports.error is 'why the whole file was refused';
comment on column imports.mapping is 'as it was given';
comment on column imports.counts is 'rows by status';
comment on column imports.refused is
    'the refused rows as CSV; personal data: taken out after 30 days, and when a user is erased';

comment on table mappings is
    'shared by all customers, and small: the operator has mappings of its own';
comment on column mappings.customer_id is 'the customer whose keys use it; null: the operator''s';
comment on column mappings.mapping is 'as it was given, with its preset';
