-- params: customer_ids uuid[], periods date[], user_keys uuid[], as_of date
-- params: as_if_open boolean, proposed_card jsonb
-- params: from_instant timestamptz, from_date date, to_instant timestamptz, to_date date
--
-- Rates the actions of customers' billing periods on any rate cards: one line for each action
-- (docs/billing-rules.md, From a lead to a bill). `customer_ids` and `periods` are pairs.
--
-- In a closed period it rates the late actions only, after the final lines. A late action can be a
-- duplicate of a final line, and uses what the final lines left of the cap (Closing a period). With
-- `as_of`, the period of a final report, it rates the actions of that report again, after the lines
-- of earlier reports only. With `as_if_open` it rates closed periods whole. `proposed_card`
-- replaces the cards in force. user_keys[i] belongs to pair i. To rate 3 users, give the pair 3
-- times. Null rates all users. Leaving users out changes no line (Rating is local to a user).
--
-- To run it in psql, set the parameters first, such as these for a draft of April 2024:
--     \set customer_ids '''{5b0f6d5c-6a0e-5b3c-9c57-0d3f0a1e2b4c}'''
--     \set periods '''{2024-04-01}'''
--     \set as_if_open false
-- and each of the others to null: `\set user_keys null`, `\set as_of null` and so on.
--
-- Each period of a customer is rated by itself: it is sorted in memory, and the time grows only
-- with the number of actions. Both windows begin with the user, so the second sort is incremental.
with scope as materialized (
    select
        customers.customer_id,
        customers.external_id as customer,
        requested.period,
        requested.user_keys,
        -- Finding a lead's actions takes as long as reading about 100 of the month by the index.
        standing.actions is not null and not exists (
            select
            from leads
            where leads.customer_id = customers.customer_id
                and leads.user_key = any (requested.user_keys)
            offset standing.actions / 100
        ) as look_up_by_lead,
        local_midnight(requested.period, customers.timezone) as starts_at,
        -- Only earlier actions count for a line, so those behind the shown ones are not rated. In a
        -- closed period, the final lines count for a late action that is earlier.
        case
            when shown.is_closed then period_end(requested.period, customers.timezone)
            else least(period_end(requested.period, customers.timezone), shown.shown_to)
        end as ends_at,
        shown.shown_from,
        shown.shown_to,
        shown.is_closed,
        card.rate_card_id,
        card.cap_cents,
        card.caps_each_product,
        card.duplicates_charged_for,
        cardinality(card.duplicates_charged_for) > 0 as charges_duplicates,
        rates.high_cents,
        rates.medium_cents,
        rates.low_cents,
        rates.special_rates
    from (
        select customer_id, period, nullif(array_agg(user_key), array[null::uuid]) as user_keys
        from unnest(
            cast(:customer_ids as uuid[]), cast(:periods as date[]), cast(:user_keys as uuid[])
        ) as pair (customer_id, period, user_key)
        group by customer_id, period
    ) as requested
    join customers on customers.customer_id = requested.customer_id
    cross join lateral (
        select
            coalesce(
                :from_instant, local_midnight(:from_date, customers.timezone), '-infinity'
            ) as shown_from,
            coalesce(
                :to_instant, local_midnight(:to_date, customers.timezone), 'infinity'
            ) as shown_to,
            not :as_if_open and case
                when cast(:as_of as date) is null
                    then coalesce(requested.period <= customers.closed_through, false)
                else requested.period < :as_of
            end as is_closed
    ) as shown
    left join standing_month_totals as standing
        on standing.customer_id = customers.customer_id and standing.period = requested.period
    left join lateral (
        select rate_card_id, cap_cents, caps_each_product, duplicates_charged_for
        from rate_card_in_force(customers.customer_id, requested.period)
        where cast(:proposed_card as jsonb) is null
        union all
        select null, cap_cents, cap_scope = 'user_and_product', duplicates_charged_for
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
    scope.caps_each_product,
    line.cap_used_before_cents,
    line_outcome(line.is_duplicate, line.gross_cents, line.billed_cents) as outcome,
    line.is_duplicate,
    case when line.is_duplicate then line.original_lead_id end as duplicate_of_lead_id,
    case when line.is_duplicate then line.original_action_id end as duplicate_of_action_id,
    case when line.is_duplicate then line.original_timestamp end as duplicate_of_timestamp
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
        from (
            select *
            from actions
            where scope.user_keys is null
                and actions.customer_id = scope.customer_id
                and actions.timestamp >= scope.starts_at
                and actions.timestamp < scope.ends_at
            union all
            -- offset 0: one look at the key of each user and lead, whatever the planner knows of the
            -- tables. It would read the month by the index for each lead otherwise.
            select of_lead.*
            from unnest(scope.user_keys) as requested_user (user_key)
            cross join lateral (
                select lead_id
                from leads
                where leads.customer_id = scope.customer_id
                    and leads.user_key = requested_user.user_key
                offset 0
            ) as of_user
            cross join lateral (
                select *
                from actions
                where actions.customer_id = scope.customer_id
                    and actions.lead_id = of_user.lead_id
                offset 0
            ) as of_lead
            where scope.look_up_by_lead
                and of_lead.timestamp >= scope.starts_at
                and of_lead.timestamp < scope.ends_at
            union all
            -- The actions of users with more leads, as the fallback user, are found in the month.
            select actions.*
            from actions
            join unnest(scope.user_keys) as requested_user (user_key)
                on requested_user.user_key = actions.user_key
            where not scope.look_up_by_lead
                and actions.customer_id = scope.customer_id
                and actions.timestamp >= scope.starts_at
                and actions.timestamp < scope.ends_at
        ) as actions
        where (
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
    priced as (
        select
            in_period.*, 'to_rate'::line_state as line_state,
            null::int as final_line_billed_cents, 'level' as rate,
            level_cents as gross_cents
        from in_period
        where scope.special_rates is null and not scope.is_closed
        union all
        -- This branch takes a quarter longer. It runs for special rates and in closed periods.
        select
            in_period.*,
            case
                when final_line.action_id is null then 'to_rate'::line_state
                when final_line.outcome = 'duplicate' then 'final_duplicate'
                else 'final_charged'
            end,
            final_line.billed_cents,
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
        left join billing_report_lines as final_line
            on scope.is_closed
            and final_line.customer_id = scope.customer_id
            and final_line.period = scope.period
            and final_line.lead_id = in_period.lead_id
            and final_line.action_id = in_period.action_id
            and (
                cast(:as_of as date) is null
                or final_line.report_id in (
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
            count(*) filter (where line_state = 'to_rate') over (
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
            order by line_state, number
            rows unbounded preceding
        )
    ),

    after_duplicates as (
        select
            *,
            case
                when line_state <> 'to_rate' then final_line_billed_cents
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
                    order by line_state, number
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

    select * from rated where line_state = 'to_rate'
) as line
-- Part of a period is chosen after it was rated from its beginning (docs/billing-rules.md, Part of a
-- period).
where line.timestamp >= scope.shown_from and line.timestamp < scope.shown_to
