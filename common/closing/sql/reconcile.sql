-- Where every stored action stands, behind the common table expressions of decide_actions.sql over
-- all months with actions: in a closed month these decide only what came too late for its report.
placed as (
    select
        selected.lead_id, selected.action_id,
        case when selected.period <= closed.through then 'prior_period' else 'draft' end as place
    from selected
    left join (
        select customer_id, max(period) as through from billing_reports group by customer_id
    ) as closed using (customer_id)
    left join late_actions as late using (customer_id, period, lead_id, action_id)
    -- A late action that is not marked would be on no report.
    where late.action_id is not null or selected.period > closed.through or closed.through is null
    union all
    select
        line.lead_id, line.action_id,
        case when line.period = report.period then 'final' else 'final_prior_period' end
    from billing_report_lines as line
    left join billing_reports as report using (report_id)
    where cast(:customer_id as uuid) is null or report.customer_id = :customer_id
),

placed_actions as (
    select
        lead_id, action_id, count(*) as places,
        count(*) filter (where place = 'final') as final_places,
        count(*) filter (where place = 'final_prior_period') as final_prior_places,
        count(*) filter (where place = 'draft') as draft_places,
        count(*) filter (where place = 'prior_period') as prior_places
    from placed
    group by lead_id, action_id
),

compared as materialized (
    select
        lead_id, action_id, stored.is_stored is not null as is_stored,
        coalesce(places, 0) as places, coalesce(final_places, 0) as final_places,
        coalesce(final_prior_places, 0) as final_prior_places,
        coalesce(draft_places, 0) as draft_places, coalesce(prior_places, 0) as prior_places
    from (
        select lead_id, action_id, true as is_stored
        from actions
        where cast(:customer_id as uuid) is null or customer_id = :customer_id
    ) as stored
    full join placed_actions using (lead_id, action_id)
),

differing as (
    select leads.external_id as lead, action_id, is_stored, places
    from compared
    left join leads using (lead_id)
    where places <> 1 or not is_stored
)

select
    count(*) filter (where is_stored) as action_count,
    coalesce(sum(final_places), 0)::bigint as final_lines,
    coalesce(sum(final_prior_places), 0)::bigint as final_prior_lines,
    coalesce(sum(draft_places), 0)::bigint as draft_lines,
    coalesce(sum(prior_places), 0)::bigint as draft_prior_lines,
    (select count(*) from differing) as differing_count,
    coalesce((
        select json_agg(named)
        from (select * from differing order by lead, action_id limit :most) as named
    ), '[]') as differing
from compared
