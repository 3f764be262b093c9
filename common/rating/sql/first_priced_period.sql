-- params: customer_id uuid, period date
--
-- The first month with actions that a customer's own card valid from :period would price. The card
-- prices until the customer's next own card. Null: there are no such actions.
select billing_period_of(min(actions.timestamp), min(customers.timezone)) as first_period
from customers
join actions on actions.customer_id = customers.customer_id
where customers.customer_id = :customer_id
    and actions.timestamp >= local_midnight(:period, customers.timezone)
    and actions.timestamp < coalesce(
        local_midnight(
            (
                select min(rate_cards.valid_from)
                from rate_cards
                where rate_cards.customer_id = :customer_id and rate_cards.valid_from > :period
            ),
            customers.timezone
        ),
        'infinity'
    )
