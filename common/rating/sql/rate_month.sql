-- params: customer_ids uuid[], periods date[], user_key uuid, as_of date, as_if_open boolean
-- params: proposed_card jsonb
-- params: from_instant timestamptz, from_date date, to_instant timestamptz, to_date date
--
-- Rates the actions of customers' billing periods on any rate cards: one line for each action
-- (docs/billing-rules.md, From a lead to a bill). `customer_ids` and `periods` are pairs.
--
-- In a closed period it rates the late actions only, after the final lines. A late action can be a
-- duplicate of a final line, and uses what the final lines left of the cap (Closing a period). With
-- `as_of`, the period of a final report, it rates the actions of that report again, after the lines
-- of earlier reports only. With `as_if_open` it rates closed periods whole. `proposed_card`
-- replaces the cards in force. `user_key` leaves out all other users.
--
-- Each period of a customer is rated by itself: it is sorted in memory, and the time grows only
-- with the number of actions. Both windows begin with the user, so the second sort is incremental.
with scope as materialized (
    select
        customers.customer_id,
        customers.external_id as customer,
        requested.period,
        local_midnight(requested.period, customers.timezone) as starts_at,
        local_midnight(
            (requested.period + interval '1 month')::date, customers.timezone
        ) as ends_at,
        coalesce(
            :from_instant, local_midnight(:from_date, customers.timezone), '-infinity'
        ) as shown_from,
        coalesce(:to_instant, local_midnight(:to_date, customers.timezone), 'infinity') as shown_to,
        not :as_if_open and case
            when cast(:as_of as date) is null
                then coalesce(requested.period <= customers.closed_through, false)
            else requested.period < :as_of
        end as is_closed,
        card.rate_card_id,
        card.cap_cents,
        card.cap_scope = 'user_and_product' as caps_each_product,
        card.duplicates_charged_for,
        cardinality(card.duplicates_charged_for) > 0 as charges_duplicates,
        rates.high_cents,
        rates.medium_cents,
        rates.low_cents,
        rates.special_rates
    from unnest(cast(:customer_ids as uuid[]), cast(:periods as date[]))
        as requested (customer_id, period)
    join customers on customers.customer_id = requested.customer_id
    left join lateral (
        select rate_card_id, cap_cents, cap_scope, duplicates_charged_for
        from rate_card_in_force(customers.customer_id, requested.period)
        where cast(:proposed_card as jsonb) is null
        union all
        select null, cap_cents, cap_scope, duplicates_charged_for
        from jsonb_to_record(:proposed_card) as proposed (
            cap_cents int, cap_scope cap_scope, duplicates_charged_for text[]
        )
        where cast(:proposed_card as jsonb) is not null
    ) as card on true
    left join lateral (
        select
            min(amount_cents) filter (where is_level and level = 'High') as high_cents,
            min(amount_cents) filter (where is_level and level = 'Medium') as medium_cents,
            min(amount_cents) filter (where is_level and level = 'Low') as low_cents,
            array_agg(rate) filter (where not is_level) as special_rates
        from (
            select
                rate, (rate).amount_cents, (rate).engagement_level as level,
                (rate).lead_type is null and (rate).product_id is null as is_level
            from (
                select stored as rate
                from rate_card_rates as stored
                where stored.rate_card_id = card.rate_card_id
                union all
                select proposed
                from jsonb_populate_recordset(
                    null::rate_card_rates, cast(:proposed_card as jsonb) -> 'rates'
                ) as proposed
            ) as rates
        ) as rates
    ) as rates on true
)

select
    scope.customer_id, scope.customer, scope.period, scope.rate_card_id,
    line.action_id, line.lead_id, line.lead_created_at, line.product_id, line.lead_type,
    line.user_key, line.action_type, line.action_key, line.engagement_level, line.timestamp,
    line.occurrence,
    line.number,  -- of the line in its period, from 1, in canonical order
    line.rate,  -- which kind of rate gave the price
    line.gross_cents,  -- null where the card has no price
    line.billed_cents,
    line.gross_cents - line.after_duplicates_cents as duplicate_cents,
    line.after_duplicates_cents - line.billed_cents as cap_cents,
    scope.cap_cents as cap_limit_cents,
    line.cap_used_before_cents,
    line_outcome(line.is_duplicate, line.gross_cents, line.billed_cents) as outcome,
    line.is_duplicate,
    case when line.is_duplicate then line.original_lead_id end as original_lead_id,
    case when line.is_duplicate then line.original_action_id end as original_action_id,
    case when line.is_duplicate then line.original_timestamp end as original_timestamp
from scope
cross join lateral (
    with special_rates as materialized (
        select * from unnest(scope.special_rates)
    ),

    -- As of a report, only the actions that it and earlier reports have lines of.
    in_period as not materialized (
        select
            actions.*,
            case engagement_level
                when 'High' then scope.high_cents
                when 'Medium' then scope.medium_cents
                else scope.low_cents
            end as level_cents
        from actions
        where actions.customer_id = scope.customer_id
            and actions.timestamp >= scope.starts_at
            and actions.timestamp < scope.ends_at
            and (cast(:user_key as uuid) is null or actions.user_key = :user_key)
            and (
                cast(:as_of as date) is null
                or exists (
                    select
                    from billing_report_lines as line
                    join billing_reports as report
                        on report.customer_id = line.customer_id
                        and report.report_id = line.report_id
                    where line.customer_id = scope.customer_id
                        and line.period = scope.period
                        and line.lead_id = actions.lead_id
                        and line.action_id = actions.action_id
                        and report.period <= :as_of
                )
            )
    ),

    -- Here an action gets its price (docs/billing-rules.md, Price).
    -- `standing` says what is known of the action: 0 is a final line that was charged, 1 a final
    -- duplicate, 2 is still to be rated.
    priced as (
        select
            in_period.*, 2 as standing, null::int as final_cents, 'level' as rate,
            level_cents as gross_cents
        from in_period
        where scope.special_rates is null and not scope.is_closed
        union all
        -- This branch takes a quarter longer. It runs for special rates and in closed periods.
        select
            in_period.*,
            case
                when final.action_id is null then 2
                when final.outcome = 'duplicate' then 1
                else 0
            end,
            final.billed_cents,
            case
                when by_both.amount_cents is not null then 'product_and_lead_type'
                when by_product.amount_cents is not null then 'product'
                when by_lead_type.amount_cents is not null then 'lead_type'
                else 'level'
            end,
            coalesce(
                by_both.amount_cents, by_product.amount_cents, by_lead_type.amount_cents,
                level_cents
            )
        from in_period
        left join special_rates as by_both
            on by_both.engagement_level = in_period.engagement_level
            and by_both.product_id = in_period.product_id
            and by_both.lead_type = in_period.lead_type
        left join special_rates as by_product
            on by_product.engagement_level = in_period.engagement_level
            and by_product.product_id = in_period.product_id
            and by_product.lead_type is null
        left join special_rates as by_lead_type
            on by_lead_type.engagement_level = in_period.engagement_level
            and by_lead_type.lead_type = in_period.lead_type
            and by_lead_type.product_id is null
        left join billing_report_lines as final
            on scope.is_closed
            and final.customer_id = scope.customer_id
            and final.period = scope.period
            and final.lead_id = in_period.lead_id
            and final.action_id = in_period.action_id
            and (
                cast(:as_of as date) is null
                or final.report_id in (
                    select report.report_id
                    from billing_reports as report
                    where report.customer_id = scope.customer_id and report.period < :as_of
                )
            )
        where scope.special_rates is not null or scope.is_closed
    ),

    -- Here the lines get their order (docs/billing-rules.md, Canonical order).
    numbered as (
        select
            *,
            count(*) filter (where standing = 2) over (
                order by
                    timestamp, lead_created_at, lead_id, action_key, engagement_level,
                    occurrence
                rows unbounded preceding
            ) as number
        from priced
    ),

    -- Here an action is found to be a duplicate (docs/billing-rules.md, Duplicate). Where the
    -- card charges the duplicates of a lead type, each of its actions stands alone.
    with_original as (
        select
            *,
            row_number() over equal_actions > 1 as is_duplicate,
            first_value(lead_id) over equal_actions as original_lead_id,
            first_value(action_id) over equal_actions as original_action_id,
            first_value(timestamp) over equal_actions as original_timestamp
        from numbered
        window equal_actions as (
            partition by
                user_key, product_id, action_key, engagement_level,
                case
                    when scope.charges_duplicates
                        and lead_type = any(scope.duplicates_charged_for) then action_id
                end
            order by standing, number
            rows unbounded preceding
        )
    ),

    after_duplicates as (
        select
            *,
            case
                when standing < 2 then final_cents
                when is_duplicate then 0
                else gross_cents
            end as after_duplicates_cents
        from with_original
    ),

    -- Here the cap is used up (docs/billing-rules.md, Cap).
    with_cap_used as (
        select
            *,
            least(
                sum(after_duplicates_cents) over (
                    partition by
                        user_key, case when scope.caps_each_product then product_id end
                    order by standing, number
                    rows unbounded preceding
                ) - after_duplicates_cents,
                scope.cap_cents
            )::int as cap_used_before_cents
        from after_duplicates
    ),

    rated as (
        select
            *,
            least(after_duplicates_cents, scope.cap_cents - cap_used_before_cents) as billed_cents
        from with_cap_used
    )

    select * from rated where standing = 2
) as line
-- Part of a period is chosen after all of it was rated (docs/billing-rules.md, Part of a period).
where line.timestamp >= scope.shown_from and line.timestamp < scope.shown_to
