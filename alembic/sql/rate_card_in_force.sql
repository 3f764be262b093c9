-- The rate card that prices a customer's billing period (docs/billing-rules.md, Price): the newest
-- of the customer's own cards that is valid at the period's start, or else the newest default one.
-- An own card may say that the customer follows the default card. Without a customer, this is the
-- default card. A flat card has prices by level only, charges no duplicates and has one cap for
-- each user.
create function rate_card_in_force(customer_id uuid, period date)
returns table (
    rate_card_id uuid, name text, version int, is_default boolean, cap_cents int,
    caps_each_product boolean, dispute_window_days int, duplicates_charged_for text[],
    is_flat_card boolean
)
language sql stable parallel safe as $$
    select
        card.rate_card_id, card.name, card.version, card.customer_id is null, card.cap_cents,
        card.cap_scope = 'user_and_product', card.dispute_window_days,
        array(
            select charged.lead_type
            from rate_card_charged_duplicates as charged
            where charged.rate_card_id = card.rate_card_id
            order by charged.lead_type
        ),
        card.cap_scope = 'user'
        and not exists (
            select from rate_card_charged_duplicates as charged
            where charged.rate_card_id = card.rate_card_id
        )
        and not exists (
            select from rate_card_rates as rate
            where rate.rate_card_id = card.rate_card_id
                and (rate.lead_type is not null or rate.product_id is not null)
        )
    from (
        select distinct on (rate_cards.customer_id is null) *
        from rate_cards
        where (
                rate_cards.customer_id = rate_card_in_force.customer_id
                or rate_cards.customer_id is null
            )
            and rate_cards.valid_from <= rate_card_in_force.period
        order by
            rate_cards.customer_id is null, rate_cards.valid_from desc, rate_cards.version desc
    ) as card
    where not card.follows_default
    order by card.customer_id is null
    limit 1
$$
