-- params: customer_id uuid, report_id uuid
--
-- The leads and products on a final report, each with its UUID and the id that its sender gave it.
with lines as (
    select lead_id, duplicate_of_lead_id, product_id
    from billing_report_lines
    where customer_id = :customer_id and report_id = :report_id
)

select true as is_lead, leads.lead_id as entity_id, leads.external_id
from (select lead_id from lines union select duplicate_of_lead_id from lines) as named
join leads on leads.customer_id = :customer_id and leads.lead_id = named.lead_id
union all
select false, products.product_id, products.external_id
from (select distinct product_id from lines) as named
join products using (product_id)
