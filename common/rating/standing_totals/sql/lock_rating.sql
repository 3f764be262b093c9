-- params: customer_ids uuid[]
--
-- Lets one transaction at a time catch up with a customer. Returns the customers whose lock was had;
-- the others are left to whoever has it. Another lock than the one that storing and closing take
-- (common/database/locks.py): catching up holds up neither.
select customer_id
from unnest(cast(:customer_ids as uuid[])) as customer (customer_id)
where pg_try_advisory_xact_lock(hashtextextended(customer_id::text, 1))
