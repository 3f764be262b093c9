create type cap_scope as enum ('user', 'user_and_product');

create table rate_cards (
    rate_card_id uuid default gen_random_uuid() not null,
    customer_id uuid,
    name text not null,
    version int not null,
    valid_from date not null,
    currency text default 'USD' not null,
    cap_cents int default 10000 not null,
    cap_scope cap_scope default 'user' not null,
    dispute_window_days int default 60 not null,
    follows_default boolean default false not null,
    created_at timestamptz default now() not null,
    constraint pk_rate_cards primary key (rate_card_id),
    constraint uq_rate_cards_customer_id_version unique nulls not distinct (customer_id, version),
    constraint fk_rate_cards_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict,
    constraint ck_rate_cards_cap_is_not_negative check (cap_cents >= 0),
    constraint ck_rate_cards_default_follows_none
        check (customer_id is not null or not follows_default),
    constraint ck_rate_cards_dispute_window_is_not_negative check (dispute_window_days >= 0),
    constraint ck_rate_cards_valid_from_starts_a_month check (extract(day from valid_from) = 1),
    constraint ck_rate_cards_version_counts_from_one check (version >= 1)
);

comment on table rate_cards is
    'shared by all customers, and small: the default card belongs to everybody, so cards have keys of their own';
comment on column rate_cards.customer_id is 'null: the default card';
comment on column rate_cards.valid_from is 'first day of the first month it prices';
comment on column rate_cards.currency is 'ISO 4217';
comment on column rate_cards.dispute_window_days is
    'how long a final report''s lines can be disputed';
comment on column rate_cards.follows_default is
    'from its month on the default card prices its customer again';

create table rate_card_rates (
    rate_id serial not null,
    rate_card_id uuid not null,
    customer_id uuid,
    engagement_level engagement_level not null,
    lead_type text collate "C",
    product_id uuid,
    amount_cents int not null,
    constraint pk_rate_card_rates primary key (rate_id),
    constraint uq_rate_card_rates_place
        unique nulls not distinct (rate_card_id, engagement_level, lead_type, product_id),
    constraint fk_rate_card_rates_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict,
    constraint fk_rate_card_rates_lead_type
        foreign key (lead_type) references lead_types (lead_type) on delete restrict,
    constraint fk_rate_card_rates_product_id
        foreign key (product_id) references products (product_id) on delete restrict,
    constraint fk_rate_card_rates_rate_card_id
        foreign key (rate_card_id) references rate_cards (rate_card_id) on delete restrict,
    constraint ck_rate_card_rates_amount_is_not_negative check (amount_cents >= 0)
);

comment on table rate_card_rates is 'shared by all customers, and small: the prices of rate cards';
comment on column rate_card_rates.customer_id is 'that of its card';
comment on column rate_card_rates.lead_type is 'null: any';
comment on column rate_card_rates.product_id is 'null: any';

create table rate_card_charged_duplicates (
    rate_card_id uuid not null,
    lead_type text collate "C" not null,
    customer_id uuid,
    constraint pk_rate_card_charged_duplicates primary key (rate_card_id, lead_type),
    constraint fk_rate_card_charged_duplicates_customer_id
        foreign key (customer_id) references customers (customer_id) on delete restrict,
    constraint fk_rate_card_charged_duplicates_lead_type
        foreign key (lead_type) references lead_types (lead_type) on delete restrict,
    constraint fk_rate_card_charged_duplicates_rate_card_id
        foreign key (rate_card_id) references rate_cards (rate_card_id) on delete restrict
);

comment on table rate_card_charged_duplicates is
    'shared by all customers, and small: the lead types whose duplicates rate cards charge';
comment on column rate_card_charged_duplicates.customer_id is 'that of its card';
