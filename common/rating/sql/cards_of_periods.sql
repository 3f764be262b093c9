-- params: customer_id uuid, periods date[]
--
-- The rate card that prices each of some periods for one customer.
select
    requested.period, card.rate_card_id, card.name, card.version, card.is_default,
    card.cap_scope = 'user_and_product' as caps_product, card.is_flat
from unnest(cast(:periods as date[])) as requested (period)
cross join lateral rate_card_in_force(cast(:customer_id as uuid), requested.period) as card
