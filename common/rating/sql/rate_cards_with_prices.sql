-- params: customer_ids uuid[], periods date[]
--
-- The rate card that prices each of some periods of customers, with all its prices. `customer_ids` and
-- `periods` are pairs.
select
    requested.customer_id, requested.period, card.rate_card_id, card.name, card.version,
    card.is_default, card.caps_each_product,
    unit_prices(
        card.rate_card_id,
        array(
            select product_id
            from rate_card_rates as rates
            where rates.rate_card_id = card.rate_card_id and product_id is not null
        )
    ) as unit_prices
from unnest(cast(:customer_ids as uuid[]), cast(:periods as date[]))
    as requested (customer_id, period)
cross join lateral rate_card_in_force(requested.customer_id, requested.period) as card
