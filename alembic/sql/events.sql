-- The webhooks that are told an event of a customer. A statement that causes an event inserts a row
-- for each of them into webhook_deliveries (common/events/sql/announce.sql does nothing else).
create function webhooks_of(customer uuid, event text)
returns table (webhook_id uuid, owner_id uuid)
language sql stable parallel safe as $$
    select webhooks.webhook_id, webhooks.customer_id
    from webhooks
    where (webhooks.customer_id = customer or webhooks.customer_id is null)
        and webhooks.events @> array[event]
$$;

-- Cents as the decimal text that JSON carries: 1200 is "12.00".
create function amount_text(cents bigint) returns text
language sql immutable strict parallel safe as $$
    select to_char(cents / 100.0, 'FM9999999999999999990.00')
$$;
