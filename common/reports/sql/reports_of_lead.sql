-- include: rating/lead_periods
-- params: customer_id uuid, lead_ids uuid[]
--
-- The billing periods that the actions of a customer's leads belong to, with the card that prices
-- each, how far the customer's periods are closed, and whether one of the leads has late actions in
-- a closed period.
select
    lead_periods.period,
    card.rate_card_id, card.name, card.version, card.is_default,
    card.caps_each_product,
    customers.closed_through,
    exists (
        select
        from late_actions
        where late_actions.customer_id = :customer_id
            and late_actions.period = lead_periods.period
            and late_actions.lead_id = any(cast(:lead_ids as uuid[]))
    ) as has_late_actions
from lead_periods
join customers on customers.customer_id = :customer_id
left join lateral rate_card_in_force(cast(:customer_id as uuid), lead_periods.period) as card
    on true
order by lead_periods.period
