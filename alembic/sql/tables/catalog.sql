create table customers (
    customer_id uuid not null,
    external_id text collate "C" not null,
    name text not null,
    email text not null,
    timezone text default 'UTC' not null,
    closed_through date,
    created_at timestamptz default now() not null,
    constraint pk_customers primary key (customer_id),
    constraint uq_customers_email unique (email),
    constraint uq_customers_external_id unique (external_id),
    constraint ck_customers_closed_through_starts_a_month
        check (extract(day from closed_through) = 1)
);

comment on table customers is
    'shared by all customers, and small: one row each; ids and emails are unique among all of them';
comment on column customers.external_id is 'the caller''s id';
comment on column customers.email is 'lower case';
comment on column customers.timezone is 'IANA time zone';
comment on column customers.closed_through is
    'the period of the last final report: it and all before it are closed';

create table products (
    product_id uuid not null,
    external_id text collate "C" not null,
    name text not null,
    description text,
    created_at timestamptz default now() not null,
    constraint pk_products primary key (product_id),
    constraint uq_products_external_id unique (external_id)
);

comment on table products is
    'shared by all customers, and small: leads of several customers may be about one product';
comment on column products.external_id is 'the caller''s id';

create table lead_types (
    lead_type text collate "C" not null,
    constraint pk_lead_types primary key (lead_type)
);

comment on table lead_types is 'shared by all customers, and small: a list of names';

create table deployment (
    is_only_row boolean default true not null,
    user_hash_key_fingerprint text not null,
    constraint pk_deployment primary key (is_only_row),
    constraint ck_deployment_is_the_only_row check (is_only_row)
);

comment on table deployment is
    'shared by all customers, and small: what holds for the database as a whole, in one row';
comment on column deployment.user_hash_key_fingerprint is
    'of the key its users are hashed with, which must stay the same';
