-- include: rating/standing_totals/rated_leads
-- include: rating/standing_totals/superseded_leads
--
-- What rating some users again adds to the standing totals: their leads as they are now, less what
-- stands of them.
select
    customer_id, period, user_key, product_id, lead_type, gross_cents, billed_cents,
    duplicate_cents, cap_cents, 1 as leads, actions, unpriced,
    (not has_user)::int as leads_without_user
from rated_leads
union all
select
    customer_id, period, user_key, product_id, lead_type, -gross_cents, -billed_cents,
    -duplicate_cents, -cap_cents, -1, -actions, -unpriced, -(not has_user)::int
from superseded_leads
