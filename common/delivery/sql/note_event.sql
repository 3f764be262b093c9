-- params: provider_id text, status delivery_status, detail text
--
-- Notes what the mail service says of a message it took, of any customer: it names the message by
-- its own id. What is bounced or complained about stays so. Gives the status before, too.
with known as (
    select customer_id, report_id, recipient, delivery_number, status
    from deliveries
    where provider_id = :provider_id
    for update
)

update deliveries as delivery set status = cast(:status as delivery_status), detail = :detail
from known
where delivery.customer_id = known.customer_id
    and delivery.report_id = known.report_id
    and delivery.recipient = known.recipient
    and delivery.delivery_number = known.delivery_number
    and (
        known.status in ('sent', 'delivered')
        or (known.status = 'bounced' and :status = 'complained')
        or cast(:status as delivery_status) = known.status
    )
returning
    delivery.customer_id, delivery.report_id, delivery.delivery_number,
    known.status as status_before
