-- Prices the actions of an open month on a plain card. On another one no action has a price here.
select
    action_id, lead_id, lead_created_at, product_id, user_key, lead_type, action_type, action_key,
    engagement_level, timestamp, occurrence,
    'level' as rate,
    case
        when scope.is_closed or scope.has_special_rates or scope.charges_duplicates
            or scope.caps_each_product then null
        else case actions.engagement_level
            when 'High' then scope.high_cents
            when 'Medium' then scope.medium_cents
            else scope.low_cents
        end
    end as gross_cents
from actions
where actions.customer_id = scope.customer_id
    and actions.timestamp >= scope.starts_at
    and actions.timestamp < scope.ends_at
