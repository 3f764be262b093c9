-- params: customer_ids uuid[], period date
--
-- The rate card that prices the period for each of some customers.
select
    requested.customer_id, card.rate_card_id, card.name, card.version, card.is_default,
    card.cap_scope = 'user_and_product' as caps_product, card.is_flat
from unnest(cast(:customer_ids as uuid[])) as requested (customer_id)
cross join lateral rate_card_in_force(requested.customer_id, :period) as card
