-- params: at_once int, lease_seconds int
--
-- Takes deliveries to send, at most :at_once, and keeps them from other workers for
-- :lease_seconds. Of each customer and webhook only the first that is not delivered can be taken, so
-- the next one waits for it. The search goes from stream to stream by the index, however many
-- deliveries wait in each.
with recursive stream as (
    (
        select customer_id, webhook_id
        from webhook_deliveries
        where delivered_at is null
        order by customer_id, webhook_id
        limit 1
    )
    union all
    select following.customer_id, following.webhook_id
    from stream
    cross join lateral (
        select waiting.customer_id, waiting.webhook_id
        from webhook_deliveries as waiting
        where waiting.delivered_at is null
            and (waiting.customer_id, waiting.webhook_id)
                > (stream.customer_id, stream.webhook_id)
        order by waiting.customer_id, waiting.webhook_id
        limit 1
    ) as following
),

due as (
    select head.customer_id, head.delivery_id
    from stream
    join webhooks on webhooks.webhook_id = stream.webhook_id and webhooks.disabled_at is null
    cross join lateral (
        select waiting.customer_id, waiting.delivery_id, waiting.next_attempt_at
        from webhook_deliveries as waiting
        where waiting.customer_id = stream.customer_id
            and waiting.webhook_id = stream.webhook_id
            and waiting.delivered_at is null
        order by waiting.position
        limit 1
    ) as head
    where head.next_attempt_at <= clock_timestamp()
    order by head.next_attempt_at
    limit :at_once
),

-- What another worker took since our snapshot does not fit any more.
taken as (
    select delivery.customer_id, delivery.delivery_id
    from due
    join webhook_deliveries as delivery
        on delivery.customer_id = due.customer_id and delivery.delivery_id = due.delivery_id
    where delivery.delivered_at is null and delivery.next_attempt_at <= clock_timestamp()
    for update of delivery skip locked
)

update webhook_deliveries as delivery set
    attempts = attempts + 1,
    last_attempt_at = clock_timestamp(),
    last_status = null,
    last_error = null,
    next_attempt_at = clock_timestamp() + make_interval(secs => :lease_seconds)
from taken
cross join webhooks
where delivery.customer_id = taken.customer_id
    and delivery.delivery_id = taken.delivery_id
    and webhooks.webhook_id = delivery.webhook_id
returning
    delivery.customer_id, delivery.delivery_id, delivery.webhook_id, delivery.message_id,
    delivery.event_type, delivery.data, delivery.occurred_at, delivery.attempts,
    delivery.failing_since, delivery.last_attempt_at, webhooks.url, webhooks.secret_salt,
    case when webhooks.previous_until > clock_timestamp() then webhooks.previous_salt end
        as previous_salt
