create table voided_actions (
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
    received_at timestamptz not null,
    reason text not null,
    voided_by text default coalesce(
        nullif(current_setting('lead_billing.actor', true), ''), 'database role ' || session_user
    ) not null,
    voided_at timestamptz default now() not null,
    constraint pk_voided_actions primary key (customer_id, lead_id, action_id),
    constraint fk_voided_actions_customer_id_lead_id
        foreign key (customer_id, lead_id)
        references leads (customer_id, lead_id)
        on delete restrict,
    constraint ck_voided_actions_says_why check (reason <> '')
);

comment on column voided_actions.action_id is 'what it had as an action: sent again, it has it too';
comment on column voided_actions.reason is 'why it was sent by mistake';
comment on column voided_actions.voided_by is 'a key, a command, or a database role';
