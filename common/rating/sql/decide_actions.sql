-- Decides every action of the wanted customers and periods: price, duplicate, cap
-- (docs/billing-rules.md, From a lead to a bill).
-- Common table expressions only; common/deciding.py puts what it asks of `selected` behind them, and
-- in the place of {...} what all months need, or what plain ones do.
--
-- In a closed period only what came too late for its report is decided: behind all that is final,
-- against the actions it charged and the cap it left (docs/billing-rules.md, Closing a period).
--
-- As of a report, what it decided is decided again: the actions it has lines of, against what was
-- final before it, as if nothing had come since.
--
-- One customer's period is decided at a time: it sorts in memory, and the work grows with the
-- number of actions alone. Both windows begin with the user, so the second sort is incremental.
scope as materialized (
    select
        customers.customer_id,
        customers.external_id as customer,
        wanted.period,
        local_midnight(wanted.period, customers.timezone) as starts_at,
        local_midnight((wanted.period + interval '1 month')::date, customers.timezone) as ends_at,
        coalesce(
            cast(:from_instant as timestamptz),
            local_midnight(cast(:from_date as date), customers.timezone),
            '-infinity'
        ) as shown_from,
        coalesce(
            cast(:to_instant as timestamptz),
            local_midnight(cast(:to_date as date), customers.timezone),
            'infinity'
        ) as shown_to,
        card.rate_card_id,
        card.cap_cents,
        card.cap_scope = 'user_and_product' as caps_each_product,
        level_rates.high_cents,
        level_rates.medium_cents,
        level_rates.low_cents,
        coalesce(level_rates.has_special_rates, false) as has_special_rates,
        level_rates.special_levels,
        level_rates.special_lead_types,
        level_rates.special_product_ids,
        level_rates.special_cents,
        card.duplicates_charged_for,
        coalesce(cardinality(card.duplicates_charged_for) > 0, false) as charges_duplicates,
        not :as_if_open and coalesce(wanted.period <= closed.through, false) as is_closed
    from unnest(cast(:customer_ids as uuid[]), cast(:periods as date[]))
        as wanted (customer_id, period)
    join customers on customers.customer_id = wanted.customer_id
    -- A what-if's proposed card stands in for the stored one.
    left join lateral (
        (
            select
                rate_card_id, cap_cents, cap_scope,
                array(
                    select lead_type from rate_card_charged_duplicates
                    where rate_card_charged_duplicates.rate_card_id = rate_cards.rate_card_id
                ) as duplicates_charged_for
            from (
                -- The newest own one and the newest default one.
                select distinct on (customer_id is null) *
                from rate_cards
                where cast(:proposed_card as jsonb) is null
                    and (
                        rate_cards.customer_id = customers.customer_id
                        or rate_cards.customer_id is null
                    )
                    and rate_cards.valid_from <= wanted.period
                order by customer_id is null, valid_from desc, version desc
            ) as rate_cards
            where not follows_default
            order by customer_id is null
            limit 1
        )
        union all
        select null, cap_cents, cap_scope, duplicates_charged_for
        from jsonb_to_record(cast(:proposed_card as jsonb)) as proposed (
            cap_cents int, cap_scope cap_scope, duplicates_charged_for text[]
        )
        where cast(:proposed_card as jsonb) is not null
    ) as card on true
    left join lateral (
        select max(period) as through
        from billing_reports
        where billing_reports.customer_id = customers.customer_id
            and (cast(:as_of as date) is null or billing_reports.period < :as_of)
    ) as closed on true
    left join lateral (
        select
            bool_or(is_special) as has_special_rates,
            min(amount_cents) filter (
                where engagement_level = 'High' and not is_special
            ) as high_cents,
            min(amount_cents) filter (
                where engagement_level = 'Medium' and not is_special
            ) as medium_cents,
            min(amount_cents) filter (
                where engagement_level = 'Low' and not is_special
            ) as low_cents,
            array_agg(engagement_level) filter (where is_special) as special_levels,
            array_agg(lead_type) filter (where is_special) as special_lead_types,
            array_agg(product_id) filter (where is_special) as special_product_ids,
            array_agg(amount_cents) filter (where is_special) as special_cents
        from (
            select engagement_level, lead_type, product_id, amount_cents
            from rate_card_rates
            where rate_card_rates.rate_card_id = card.rate_card_id
            union all
            select *
            from jsonb_to_recordset(cast(:proposed_card as jsonb) -> 'rates') as proposed (
                engagement_level engagement_level, lead_type text, product_id uuid, amount_cents int
            )
        ) as rate
        cross join lateral (select lead_type is not null or product_id is not null as is_special)
            as kind
    ) as level_rates on true
),

decided as (
    select
        scope.customer_id, scope.customer, scope.period, scope.shown_from, scope.shown_to,
        scope.rate_card_id, scope.cap_cents as cap_limit_cents, outcome.*
    from scope
    cross join lateral (
        with special as materialized (
            select *
            from unnest(
                scope.special_levels,
                scope.special_lead_types,
                scope.special_product_ids,
                scope.special_cents
            ) as rate (engagement_level, lead_type, product_id, amount_cents)
        ),

        priced as (
            {priced}
        ),

        -- Canonical order, sorted once: what is final already stands in front of it anyway.
        numbered as (
            select
                *,
                {numbering} over (
                    order by
                        timestamp, lead_created_at, lead_id, action_key, engagement_level,
                        occurrence
                    rows unbounded preceding
                ) as number
            from priced
        ),

        compared as (
            select
                *,
                row_number() over repeats > 1 as is_duplicate,
                first_value(lead_id) over repeats as original_lead_id,
                first_value(action_id) over repeats as original_action_id,
                first_value(timestamp) over repeats as original_timestamp
            from numbered
            window repeats as (
                partition by user_key, product_id, action_key, engagement_level{apart}
                order by {place}
                rows unbounded preceding
            )
        ),

        charged as (
            select
                *,
                sum(charge_cents) over (
                    partition by user_key{capped_apart}
                    order by {place}
                    rows unbounded preceding
                ) as charged_cents
            from (
                select
                    *,
                    case
                        {charged_before}
                        when is_duplicate then 0
                        else gross_cents
                    end as charge_cents
                from compared
            ) as with_charge
        )

        select
            action_id, lead_id, lead_created_at, product_id, user_key, lead_type, action_type,
            action_key, engagement_level, timestamp, occurrence, number, rate, gross_cents,
            is_duplicate, original_lead_id, original_action_id, original_timestamp,
            cap_used_before_cents,
            gross_cents - charge_cents as duplicate_cents,
            least(charge_cents, scope.cap_cents - cap_used_before_cents) as billed_cents,
            charge_cents - least(charge_cents, scope.cap_cents - cap_used_before_cents) as cap_cents
        from (
            select
                *,
                least(charged_cents - charge_cents, scope.cap_cents)::int as cap_used_before_cents
            from charged
        ) as capped
        where {to_decide}
    ) as outcome
),

-- Part of a period is chosen after all of it was decided (docs/billing-rules.md, Part of a period).
selected as (
    select * from decided where {shown}
)
