-- params: customer_ids uuid[]
--
-- Deletes what was caught up with.
delete from rating_backlog
where customer_id = any (cast(:customer_ids as uuid[])) and is_taken
