-- params: lease_seconds int
--
-- Takes the delivery that has waited longest, of any customer, for so long: until then no other
-- worker takes it, and after that any does, because whoever took it has died.
update deliveries set
    attempts = deliveries.attempts + 1,
    next_attempt_at = now() + make_interval(secs => :lease_seconds)
from (
    select customer_id, report_id, recipient, delivery_number
    from deliveries
    where status = 'pending' and next_attempt_at <= now()
    order by next_attempt_at
    limit 1
    for update skip locked
) as waiting
join billing_reports
    on billing_reports.customer_id = waiting.customer_id
    and billing_reports.report_id = waiting.report_id
join customers on customers.customer_id = waiting.customer_id
where deliveries.customer_id = waiting.customer_id
    and deliveries.report_id = waiting.report_id
    and deliveries.recipient = waiting.recipient
    and deliveries.delivery_number = waiting.delivery_number
returning
    deliveries.customer_id, deliveries.report_id, deliveries.recipient,
    deliveries.delivery_number, deliveries.attempts, deliveries.created_at,
    customers.external_id as customer, billing_reports.period
