-- params: customer_id uuid, event_type text, data jsonb
--
-- Puts an event into the outbox, once for each webhook that is told such events.
insert into webhook_deliveries (customer_id, webhook_id, owner_id, event_type, data)
select
    cast(:customer_id as uuid), webhook.webhook_id, webhook.owner_id,
    cast(:event_type as text), cast(:data as jsonb)
from webhooks_of(cast(:customer_id as uuid), cast(:event_type as text)) as webhook
