create table customers (
    customer_id uuid not null,
    external_id text collate "C" not null,
    name text not null,
    email text not null,
    timezone text default 'UTC' not null,
    phone_region text,
    billing_address text,
    tax_id text,
    payment_terms_days int default 30 not null,
    billing_email text,
    closed_through date,
    created_at timestamptz default now() not null,
    constraint pk_customers primary key (customer_id),
    constraint uq_customers_email unique (email),
    constraint uq_customers_external_id unique (external_id),
    constraint ck_customers_payment_terms_are_days
        check (payment_terms_days between 0 and 365),
    constraint ck_customers_closed_through_starts_a_month
        check (extract(day from closed_through) = 1)
);

comment on table customers is
    'shared by all customers, and small: one row each; ids and emails are unique among all of them';
comment on column customers.external_id is 'the caller''s id';
comment on column customers.email is 'as it is compared: lower case, the domain in ASCII';
comment on column customers.timezone is 'IANA time zone';
comment on column customers.phone_region is
    'ISO 3166 code of the country whose national phone numbers it sends';
comment on column customers.billing_address is 'as its statements show it, in lines';
comment on column customers.tax_id is 'as its statements show it';
comment on column customers.payment_terms_days is
    'how long after its issue date a statement is due';
comment on column customers.billing_email is 'where its statements are sent';
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
    lead_type_key text collate "C" not null,
    constraint pk_lead_types primary key (lead_type),
    constraint uq_lead_types_lead_type_key unique (lead_type_key)
);

comment on table lead_types is 'shared by all customers, and small: a list of names';
comment on column lead_types.lead_type_key is
    'the name as it is compared: width, spaces and case folded';

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
