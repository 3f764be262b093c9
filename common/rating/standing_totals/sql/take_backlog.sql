-- params: customer_ids uuid[]
--
-- Marks what is to be caught up with now. What others append from here on stays for the next time.
update rating_backlog set is_taken = true where customer_id = any (cast(:customer_ids as uuid[]))
