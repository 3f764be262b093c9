-- params: customer_id uuid
--
-- The customers to catch up with, or the one that is asked about if it is one of them: those with a
-- backlog, and those with standing totals of a closed month.
select customer_id
from rating_backlog
where cast(:customer_id as uuid) is null or customer_id = :customer_id
union
select standing.customer_id
from standing_month_totals as standing
join customers
    on customers.customer_id = standing.customer_id
    and customers.closed_through >= standing.period
where cast(:customer_id as uuid) is null or standing.customer_id = :customer_id
order by customer_id
