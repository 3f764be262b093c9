-- params: customer_ids uuid[], lead_ids uuid[]
--
-- The customers that have one of the leads which are named for them.
select distinct leads.customer_id
from unnest(cast(:customer_ids as uuid[]), cast(:lead_ids as uuid[]))
    as named (customer_id, lead_id)
join leads on leads.customer_id = named.customer_id and leads.lead_id = named.lead_id
