create table signing_keys (
    key_id text collate "C" not null,
    algorithm text not null,
    public_key bytea not null,
    created_at timestamptz default now() not null,
    constraint pk_signing_keys primary key (key_id),
    constraint ck_signing_keys_is_ed25519
        check (algorithm = 'Ed25519' and octet_length(public_key) = 32)
);

comment on table signing_keys is
    'shared by all customers, and small: the public keys that reports and heads are signed with';
comment on column signing_keys.key_id is 'thumbprint of the key (RFC 7638)';

create table signed_heads (
    head_number int not null,
    made_at timestamptz not null,
    report_count bigint not null,
    audit_count bigint not null,
    statement text not null,
    signature text not null,
    constraint pk_signed_heads primary key (head_number),
    constraint ck_signed_heads_count_from_one check (head_number >= 1)
);

comment on table signed_heads is
    'shared by all customers, and small: the signed roots over all final reports and the audit log';
comment on column signed_heads.report_count is 'leaves of the tree of reports';
comment on column signed_heads.audit_count is 'leaves of the tree of audit entries';
comment on column signed_heads.statement is 'what is signed: JSON with both roots';
comment on column signed_heads.signature is 'JWS, compact and detached, over `statement`';

create table merkle_nodes (
    tree text collate "C" not null,
    level int not null,
    place bigint not null,
    hash bytea not null,
    constraint pk_merkle_nodes primary key (tree, level, place),
    constraint ck_merkle_nodes_tree check (tree in ('reports', 'audit')),
    constraint ck_merkle_nodes_hash_is_sha256 check (octet_length(hash) = 32)
);

comment on table merkle_nodes is
    'shared by all customers, and small: complete subtrees of the two trees (RFC 9162)';
comment on column merkle_nodes.level is '0: leaves';

create table report_seals (
    customer_id uuid not null,
    report_id uuid not null,
    leaf_index bigint not null,
    head_number int not null,
    facts jsonb not null,
    signature text not null,
    constraint pk_report_seals primary key (customer_id, report_id),
    constraint fk_report_seals_customer_id_report_id
        foreign key (customer_id, report_id)
        references billing_reports (customer_id, report_id)
        on delete restrict,
    constraint fk_report_seals_head_number
        foreign key (head_number) references signed_heads (head_number) on delete restrict
);

-- For the tree of all customers' reports.
create index ix_report_seals_leaf_index on report_seals (leaf_index);

comment on column report_seals.leaf_index is 'in the tree of reports';
comment on column report_seals.head_number is 'the first head with this report';
comment on column report_seals.facts is
    'SHA-256, by table, of the rows that the report stands on (docs/verification.md)';
comment on column report_seals.signature is 'JWS, compact and detached';

create table audit_seals (
    entry_id bigint not null,
    leaf_index bigint not null,
    constraint pk_audit_seals primary key (entry_id),
    constraint uq_audit_seals_leaf_index unique (leaf_index)
);

comment on table audit_seals is
    'shared by all customers, and small: where each audit entry stands in its tree';
