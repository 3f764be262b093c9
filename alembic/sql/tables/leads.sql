create type user_kind as enum ('email', 'phone', 'external_id', 'nobody', 'lead');

create table leads (
    customer_id uuid not null,
    lead_id uuid not null,
    external_id text collate "C" not null,
    product_id uuid not null,
    lead_type text collate "C" not null,
    user_key uuid not null,
    has_user boolean not null,
    known_by user_kind,
    unusable text[] default '{}' not null,
    user_email text,
    user_phone text,
    user_external_id text,
    created_at timestamptz not null,
    received_at timestamptz default now() not null,
    constraint pk_leads primary key (customer_id, lead_id),
    constraint fk_leads_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict,
    constraint fk_leads_lead_type
        foreign key (lead_type) references lead_types (lead_type) on delete restrict,
    constraint fk_leads_product_id
        foreign key (product_id) references products (product_id) on delete restrict
);

-- For the list of all customers' leads.
create index ix_leads_created_at_lead_id on leads (created_at, lead_id);

create index ix_leads_customer_id_created_at_lead_id on leads (customer_id, created_at, lead_id);

create index ix_leads_customer_id_user_key on leads (customer_id, user_key);

-- The few leads whose user is in doubt, which each report counts.
create index ix_leads_in_doubt on leads (customer_id, lead_id) where cardinality(unusable) > 0;

comment on column leads.lead_id is 'derived from customer_id and external_id: unique by itself too';
comment on column leads.external_id is 'the caller''s id';
comment on column leads.user_key is
    'keyed hash of the user, or of the fallback user where none was named';
comment on column leads.has_user is 'false: billed under the fallback user';
comment on column leads.known_by is
    'what user_key is the hash of; null: the user was erased before the lead was stored';
comment on column leads.unusable is 'the members of the user that say nothing of who it is';
comment on column leads.user_email is 'lower case; as it was sent where it is not usable';
comment on column leads.user_phone is
    'E.164, or the digits of a national number; as it was sent where it is not usable';
comment on column leads.user_external_id is 'trimmed; as it was sent where it is not usable';

create type engagement_level as enum ('High', 'Medium', 'Low');

create table actions (
    customer_id uuid not null,
    lead_id uuid not null,
    action_id uuid not null,
    product_id uuid not null,
    user_key uuid not null,
    lead_type text collate "C" not null,
    lead_created_at timestamptz not null,
    action_type text not null,
    action_key text collate "C" not null,
    engagement_level engagement_level not null,
    timestamp timestamptz not null,
    occurrence int not null,
    received_at timestamptz default now() not null,
    constraint pk_actions primary key (customer_id, lead_id, action_id),
    constraint ck_actions_occurrence_counts_from_one check (occurrence >= 1)
);

-- Holds all that rating and closing read, so that a month need not be gathered from all over the
-- table. Its longest texts are short enough for an index entry: longer spellings than four bytes a
-- character come from few characters, and PostgreSQL compresses them. It is in canonical order, which
-- saves a sort (docs/billing-rules.md, Canonical order).
create index ix_actions_canonical_order
    on actions (customer_id, timestamp, lead_created_at, lead_id, action_key, engagement_level,
    occurrence)
    include (action_id, product_id, user_key, lead_type, action_type);

comment on column actions.action_id is 'hash of its content';
comment on column actions.action_type is 'as the caller wrote it';
comment on column actions.action_key is 'action_type as it is compared: width, spaces, case folded';
comment on column actions.occurrence is
    'nth action of this lead with the same key, level and timestamp';

create table quarantined_leads (
    customer_id uuid not null,
    quarantine_id uuid not null,
    lead_id uuid not null,
    product_id uuid not null,
    user_key uuid,
    lead jsonb not null,
    reason text not null,
    received_at timestamptz default now() not null,
    position int not null,
    replayed_at timestamptz,
    constraint pk_quarantined_leads primary key (customer_id, quarantine_id),
    constraint ck_quarantined_leads_lead_is_an_object check (jsonb_typeof(lead) = 'object')
);

-- For the versions of one lead.
create index ix_quarantined_leads_customer_id_lead_id on quarantined_leads (customer_id, lead_id);

-- For a replay that does not name the customer.
create index ix_quarantined_leads_quarantine_id on quarantined_leads (quarantine_id);

-- For the order of arrival, over all customers.
create index ix_quarantined_leads_received_at_position_quarantine_id
    on quarantined_leads (received_at, position, quarantine_id);

comment on column quarantined_leads.customer_id is
    'of the customer that the lead names, registered or not';
comment on column quarantined_leads.quarantine_id is
    'hash of the lead''s content: a retry adds nothing';
comment on column quarantined_leads.product_id is
    'of the product that the lead names, registered or not';
comment on column quarantined_leads.user_key is
    'whom a lead that names a user is billed under, also once that is erased';
comment on column quarantined_leads.lead is 'the lead as it was sent';
comment on column quarantined_leads.reason is
    'unknown_customer, unknown_product, or why the last replay did not store it';
comment on column quarantined_leads.position is
    'place in its request: with received_at, the order of arrival';
comment on column quarantined_leads.replayed_at is 'when a replay stored it';

create table erased_users (
    customer_id uuid not null,
    user_key uuid not null,
    erased_at timestamptz default now() not null,
    constraint pk_erased_users primary key (customer_id, user_key),
    constraint fk_erased_users_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict
);
