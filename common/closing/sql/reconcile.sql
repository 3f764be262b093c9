-- include: rating/rate_month
-- params: customer_id uuid, max_named int
--
-- Where every stored action stands: on a line of a final report or of a draft. In a closed month
-- rate_month.sql rates only the late actions, which stand on the next report as prior-period lines.
-- Without a :customer_id, of all customers.
with placed as (
    select
        rate_month.customer_id, rate_month.lead_id, rate_month.action_id,
        case
            when rate_month.period <= customers.closed_through then 'draft_prior_period' else 'draft'
        end as place
    from rate_month
    join customers using (customer_id)
    left join late_actions as late using (customer_id, period, lead_id, action_id)
    -- A late action that is not marked would be on no report.
    where late.action_id is not null
        or rate_month.period > customers.closed_through
        or customers.closed_through is null
    union all
    select
        line.customer_id, line.lead_id, line.action_id,
        case when line.period = report.period then 'final' else 'final_prior_period' end
    from billing_report_lines as line
    left join billing_reports as report
        on report.customer_id = line.customer_id and report.report_id = line.report_id
    where cast(:customer_id as uuid) is null or line.customer_id = :customer_id
),

placed_actions as (
    select
        customer_id, lead_id, action_id, count(*) as places,
        count(*) filter (where place = 'final') as final,
        count(*) filter (where place = 'final_prior_period') as final_prior,
        count(*) filter (where place = 'draft') as draft,
        count(*) filter (where place = 'draft_prior_period') as draft_prior
    from placed
    group by customer_id, lead_id, action_id
),

compared as materialized (
    select
        customer_id, lead_id, action_id, stored.is_stored is not null as is_stored,
        coalesce(places, 0) as places, coalesce(final, 0) as final,
        coalesce(final_prior, 0) as final_prior, coalesce(draft, 0) as draft,
        coalesce(draft_prior, 0) as draft_prior
    from (
        select customer_id, lead_id, action_id, true as is_stored
        from actions
        where cast(:customer_id as uuid) is null or customer_id = :customer_id
    ) as stored
    full join placed_actions using (customer_id, lead_id, action_id)
),

misplaced as (
    select leads.external_id as lead, compared.action_id, compared.is_stored, compared.places
    from compared
    left join leads using (customer_id, lead_id)
    where compared.places <> 1 or not compared.is_stored
)

select
    count(*) filter (where is_stored) as actions,
    coalesce(sum(final), 0)::bigint as final_lines,
    coalesce(sum(final_prior), 0)::bigint as final_prior_lines,
    coalesce(sum(draft), 0)::bigint as draft_lines,
    coalesce(sum(draft_prior), 0)::bigint as draft_prior_lines,
    (select count(*) from misplaced) as misplaced_count,
    coalesce((
        select json_agg(named)
        from (select * from misplaced order by lead, action_id limit :max_named) as named
    ), '[]') as misplaced
from compared
