-- params: customer_id uuid, period date
--
-- Rates the actions of one customer's whole open period on a flat card, in less time than
-- rate_month.sql, with the same columns and the same lines. A flat card has prices by level only,
-- charges no duplicates and has one cap for each user. On another card, and in a closed period, no
-- action gets a price here.
--
-- Both windows begin with the user, so the second sort is incremental.
with scope as materialized (
    select
        customers.customer_id,
        customers.external_id as customer,
        local_midnight(:period, customers.timezone) as starts_at,
        period_end(:period, customers.timezone) as ends_at,
        card.rate_card_id,
        card.cap_cents,
        rates.high_cents,
        rates.medium_cents,
        rates.low_cents
    from customers
    left join lateral rate_card_in_force(customers.customer_id, :period) as card on true
    left join lateral (
        select
            min(amount_cents) filter (where engagement_level = 'High') as high_cents,
            min(amount_cents) filter (where engagement_level = 'Medium') as medium_cents,
            min(amount_cents) filter (where engagement_level = 'Low') as low_cents
        from rate_card_rates
        where rate_card_rates.rate_card_id = card.rate_card_id
            and card.is_flat_card
            and coalesce(customers.closed_through < :period, true)
    ) as rates on true
    where customers.customer_id = :customer_id
)

select
    scope.customer_id, scope.customer, cast(:period as date) as period, scope.rate_card_id,
    line.action_id, line.lead_id, line.lead_created_at, line.product_id, line.lead_type,
    line.user_key, line.action_type, line.action_key, line.engagement_level, line.timestamp,
    line.occurrence, line.number, 'level' as rate, line.gross_cents, line.billed_cents,
    line.gross_cents - line.after_duplicates_cents as duplicate_cents,
    line.after_duplicates_cents - line.billed_cents as cap_cents,
    scope.cap_cents as cap_limit_cents,
    false as caps_each_product,
    line.cap_used_before_cents,
    line_outcome(line.is_duplicate, line.gross_cents, line.billed_cents) as outcome,
    line.is_duplicate,
    case when line.is_duplicate then line.original_lead_id end as duplicate_of_lead_id,
    case when line.is_duplicate then line.original_action_id end as duplicate_of_action_id,
    case when line.is_duplicate then line.original_timestamp end as duplicate_of_timestamp
from scope
cross join lateral (
    -- Here an action gets its price (docs/billing-rules.md, Price).
    with priced as (
        select
            *,
            case engagement_level
                when 'High' then scope.high_cents
                when 'Medium' then scope.medium_cents
                else scope.low_cents
            end as gross_cents
        from actions
        where actions.customer_id = scope.customer_id
            and actions.timestamp >= scope.starts_at
            and actions.timestamp < scope.ends_at
    ),

    -- Here the lines get their order (docs/billing-rules.md, Canonical order).
    numbered as (
        select
            *,
            row_number() over (
                order by
                    timestamp, lead_created_at, lead_id, action_key, engagement_level,
                    occurrence
                rows unbounded preceding
            ) as number
        from priced
    ),

    -- Here an action is found to be a duplicate (docs/billing-rules.md, Duplicate).
    with_original as (
        select
            *,
            row_number() over equal_actions > 1 as is_duplicate,
            first_value(lead_id) over equal_actions as original_lead_id,
            first_value(action_id) over equal_actions as original_action_id,
            first_value(timestamp) over equal_actions as original_timestamp
        from numbered
        window equal_actions as (
            partition by user_key, product_id, action_key, engagement_level
            order by number
            rows unbounded preceding
        )
    ),

    after_duplicates as (
        select *, case when is_duplicate then 0 else gross_cents end as after_duplicates_cents
        from with_original
    ),

    -- Here the cap is used up (docs/billing-rules.md, Cap).
    with_cap_used as (
        select
            *,
            least(
                sum(after_duplicates_cents) over (
                    partition by user_key order by number rows unbounded preceding
                ) - after_duplicates_cents,
                scope.cap_cents
            )::int as cap_used_before_cents
        from after_duplicates
    )

    select *, least(after_duplicates_cents, scope.cap_cents - cap_used_before_cents) as billed_cents
    from with_cap_used
) as line
