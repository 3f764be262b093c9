-- params: customer_id uuid, report_id uuid, recipient text, delivery_number int, attempts int
-- params: status delivery_status, provider_id text, detail text, wait_seconds int
--
-- Notes what came of an attempt, unless another worker has taken the delivery since.
update deliveries set
    status = cast(:status as delivery_status),
    provider_id = :provider_id,
    detail = :detail,
    sent_at = case when :status = 'sent' then now() end,
    next_attempt_at = now() + make_interval(secs => :wait_seconds)
where customer_id = :customer_id
    and report_id = :report_id
    and recipient = :recipient
    and delivery_number = :delivery_number
    and attempts = :attempts
    and status = 'pending'
returning delivery_number
