-- Appended to only, and without a unique column of its own, so that batches never wait for each
-- other (docs/decisions/0020-standing-totals.md).
create table rating_backlog (
    customer_id uuid not null,
    entry_id uuid default gen_random_uuid() not null,
    user_key uuid,
    first_at timestamptz not null,
    last_at timestamptz not null,
    is_taken boolean default false not null,
    constraint pk_rating_backlog primary key (customer_id, entry_id),
    constraint ck_rating_backlog_is_of_one_utc_month_or_has_no_end check (
        last_at = 'infinity'
        or date_trunc('month', first_at at time zone 'UTC')
            = date_trunc('month', last_at at time zone 'UTC')
    )
);

comment on table rating_backlog is
    'whose months must be rated again before the standing totals hold them';
comment on column rating_backlog.user_key is 'null: every user of the customer';
comment on column rating_backlog.first_at is
    'the months from here to last_at; instants, because the time zone can change';
comment on column rating_backlog.is_taken is
    'only true inside the transaction that catches up with it';

create table standing_month_totals (
    customer_id uuid not null,
    period date not null,
    gross_cents bigint not null,
    billed_cents bigint not null,
    duplicate_cents bigint not null,
    cap_cents bigint not null,
    leads bigint not null,
    actions bigint not null,
    unpriced bigint not null,
    leads_without_user bigint not null,
    constraint pk_standing_month_totals primary key (customer_id, period),
    constraint ck_standing_month_totals_adds_up
        check (gross_cents = billed_cents + duplicate_cents + cap_cents)
);

comment on column standing_month_totals.unpriced is 'actions without a price';

create table standing_part_totals (
    customer_id uuid not null,
    period date not null,
    product_id uuid not null,
    lead_type text collate "C" not null,
    gross_cents bigint not null,
    billed_cents bigint not null,
    duplicate_cents bigint not null,
    cap_cents bigint not null,
    leads bigint not null,
    actions bigint not null,
    unpriced bigint not null,
    leads_without_user bigint not null,
    constraint pk_standing_part_totals primary key (customer_id, period, product_id, lead_type),
    constraint ck_standing_part_totals_adds_up
        check (gross_cents = billed_cents + duplicate_cents + cap_cents)
);

comment on column standing_part_totals.unpriced is 'actions without a price';

create table standing_user_totals (
    customer_id uuid not null,
    period date not null,
    user_key uuid not null,
    gross_cents bigint not null,
    billed_cents bigint not null,
    duplicate_cents bigint not null,
    cap_cents bigint not null,
    leads bigint not null,
    actions bigint not null,
    unpriced bigint not null,
    leads_without_user bigint not null,
    constraint pk_standing_user_totals primary key (customer_id, period, user_key),
    constraint ck_standing_user_totals_adds_up
        check (gross_cents = billed_cents + duplicate_cents + cap_cents)
);

create index ix_standing_user_totals_largest_first
    on standing_user_totals (customer_id, period, gross_cents desc, user_key);

comment on column standing_user_totals.unpriced is 'actions without a price';

create table standing_lead_totals (
    customer_id uuid not null,
    period date not null,
    user_key uuid not null,
    lead_id uuid not null,
    product_id uuid not null,
    lead_type text collate "C" not null,
    has_user boolean not null,
    gross_cents bigint not null,
    billed_cents bigint not null,
    duplicate_cents bigint not null,
    cap_cents bigint not null,
    actions bigint not null,
    unpriced bigint not null,
    outcomes int not null,
    constraint pk_standing_lead_totals primary key (customer_id, period, user_key, lead_id),
    constraint ck_standing_lead_totals_adds_up
        check (gross_cents = billed_cents + duplicate_cents + cap_cents)
);

create index ix_standing_lead_totals_largest_first
    on standing_lead_totals (customer_id, period, gross_cents desc, lead_id);

comment on column standing_lead_totals.unpriced is 'actions without a price';
comment on column standing_lead_totals.outcomes is
    'which outcomes its lines have, the outcome_bit() of each';
