-- params: customer_id uuid, phone_region text
--
-- Whether the customer has another phone region, and a user who is known by phone, or may be: of an
-- erased user nothing says what it was known by.
select exists (
    select
    from customers
    join leads on leads.customer_id = :customer_id
    where customers.customer_id = :customer_id
        and customers.phone_region is distinct from :phone_region
        and (leads.known_by = 'phone' or leads.known_by is null)
)
