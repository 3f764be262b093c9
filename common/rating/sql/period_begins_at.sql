-- params: customer_id uuid, period date
--
-- When a period begins for a customer. Without a customer: where it begins first, because the
-- default card prices every customer.
select min(local_midnight(:period, timezone))
from (
    select timezone from customers
    where cast(:customer_id as uuid) is null or customer_id = :customer_id
    union
    select 'UTC' where cast(:customer_id as uuid) is null
) as zones
