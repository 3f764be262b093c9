-- Prices the actions of a month, and says what of them is final already.
-- `standing`: 0 is final and charged, 1 is final and a duplicate, 2 is to be decided.
select
    actions.*,
    2 as standing,
    null::int as final_cents,
    'level' as rate,
    case actions.engagement_level
        when 'High' then scope.high_cents
        when 'Medium' then scope.medium_cents
        else scope.low_cents
    end as gross_cents
from actions
where not scope.has_special_rates
    and not scope.is_closed
    and actions.customer_id = scope.customer_id
    and actions.timestamp >= scope.starts_at
    and actions.timestamp < scope.ends_at
    and (cast(:user_key as uuid) is null or actions.user_key = :user_key)
    and (
        cast(:as_of as date) is null
        or exists (
            select from billing_report_lines as line
            join billing_reports as report using (report_id)
            where line.customer_id = scope.customer_id
                and line.period = scope.period
                and line.lead_id = actions.lead_id
                and line.action_id = actions.action_id
                and report.period <= :as_of
        )
    )
union all
-- Looking further costs a quarter more: for more specific rates where a card has some,
-- and in a closed period for what is final already.
select
    actions.*,
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
        by_both.amount_cents,
        by_product.amount_cents,
        by_lead_type.amount_cents,
        case actions.engagement_level
            when 'High' then scope.high_cents
            when 'Medium' then scope.medium_cents
            else scope.low_cents
        end
    )
from actions
left join special as by_both
    on by_both.engagement_level = actions.engagement_level
    and by_both.product_id = actions.product_id
    and by_both.lead_type = actions.lead_type
left join special as by_product
    on by_product.engagement_level = actions.engagement_level
    and by_product.product_id = actions.product_id
    and by_product.lead_type is null
left join special as by_lead_type
    on by_lead_type.engagement_level = actions.engagement_level
    and by_lead_type.lead_type = actions.lead_type
    and by_lead_type.product_id is null
left join billing_report_lines as final
    on scope.is_closed
    and final.customer_id = scope.customer_id
    and final.period = scope.period
    and final.lead_id = actions.lead_id
    and final.action_id = actions.action_id
    and (
        cast(:as_of as date) is null
        or final.report_id in (
            select report_id from billing_reports as report
            where report.customer_id = scope.customer_id and report.period < :as_of
        )
    )
where (scope.has_special_rates or scope.is_closed)
    and actions.customer_id = scope.customer_id
    and actions.timestamp >= scope.starts_at
    and actions.timestamp < scope.ends_at
    and (cast(:user_key as uuid) is null or actions.user_key = :user_key)
    and (
        cast(:as_of as date) is null
        or exists (
            select from billing_report_lines as line
            join billing_reports as report using (report_id)
            where line.customer_id = scope.customer_id
                and line.period = scope.period
                and line.lead_id = actions.lead_id
                and line.action_id = actions.action_id
                and report.period <= :as_of
        )
    )
