-- The rows that every deployment starts with.
insert into lead_types (lead_type, lead_type_key)
select lead_type, lower(lead_type)
from unnest(array[
    'Website Visit', 'Social Media', 'Email Campaign', 'Referral', 'Webinar', 'Event',
    'Demo Request', 'Trade Show', 'Conference', 'Newsletter', 'Feedback'
]) as lead_type;

with card as (
    insert into rate_cards (name, version, valid_from, cap_cents, cap_scope)
    values ('Default', 1, '0001-01-01', 10000, 'user')
    returning rate_card_id
)
insert into rate_card_rates (rate_card_id, engagement_level, amount_cents)
select rate_card_id, level::engagement_level, cents
from card, (values ('High', 1000), ('Medium', 500), ('Low', 200)) as rate (level, cents);
