-- include: rating/standing_totals/lead_differences
-- params: month date, first_month date, whole int
--
-- What all customers come to in each month, and in the shown month also by customer, product and
-- lead type. Of open months it reads the standing totals, and rates the users that these do not
-- hold yet; of closed ones the final reports.
with open_cells as (
    select
        standing.period, standing.customer_id, null::uuid as product_id, null as lead_type,
        standing.gross_cents, standing.billed_cents, standing.duplicate_cents, standing.cap_cents,
        standing.leads, standing.actions, standing.unpriced, standing.leads_without_user
    from standing_month_totals as standing
    join customers
        on customers.customer_id = standing.customer_id
        and (customers.closed_through is null or customers.closed_through < standing.period)
    where standing.period >= :first_month and standing.period < :month
    union all
    select
        standing.period, standing.customer_id, standing.product_id, standing.lead_type,
        standing.gross_cents, standing.billed_cents, standing.duplicate_cents, standing.cap_cents,
        standing.leads, standing.actions, standing.unpriced, standing.leads_without_user
    from standing_part_totals as standing
    join customers
        on customers.customer_id = standing.customer_id
        and (customers.closed_through is null or customers.closed_through < standing.period)
    where standing.period = :month
    union all
    select
        period, customer_id, product_id, lead_type, gross_cents, billed_cents, duplicate_cents,
        cap_cents, leads, actions, unpriced, leads_without_user
    from lead_differences
),

final_cells as (
    select
        reports.period, reports.customer_id, cell.product_id, cell.lead_type,
        coalesce(cell.gross_cents, reports.gross_cents) as gross_cents,
        coalesce(cell.billed_cents, reports.billed_cents) as billed_cents,
        coalesce(cell.duplicate_cents, reports.duplicate_cents) as duplicate_cents,
        coalesce(cell.cap_cents, reports.cap_cents) as cap_cents,
        coalesce(cell.leads, reports.lead_count) as leads,
        coalesce(cell.actions, reports.action_count) as actions,
        0 as unpriced,
        coalesce(cell.leads_without_user, 0) as leads_without_user
    from billing_reports as reports
    left join lateral (
        select
            leads.product_id, leads.lead_type,
            sum(gross_cents) as gross_cents,
            sum(billed_cents) as billed_cents,
            sum(duplicate_cents) as duplicate_cents,
            sum(cap_cents) as cap_cents,
            count(*) as leads,
            sum(actions) as actions,
            count(*) filter (where not leads.has_user) as leads_without_user
        from (
            select part.*
            from billing_report_lead_totals as breakdown
            cross join lateral unnest(
                lead_ids, gross_cents, billed_cents, duplicate_cents, cap_cents, action_counts
            ) as part (lead_id, gross_cents, billed_cents, duplicate_cents, cap_cents, actions)
            where breakdown.customer_id = reports.customer_id
                and breakdown.report_id = reports.report_id
        ) as per_lead
        join leads
            on leads.customer_id = reports.customer_id and leads.lead_id = per_lead.lead_id
        group by leads.product_id, leads.lead_type
    ) as cell on reports.period = :month
    where reports.period between :first_month and :month
),

cells as (
    select * from open_cells
    union all
    select * from final_cells
),

grouped as (
    select
        grouping(customer_id, product_id, lead_type) as part,
        period, customer_id, product_id, lead_type,
        coalesce(sum(gross_cents), 0)::bigint as gross_cents,
        coalesce(sum(billed_cents), 0)::bigint as billed_cents,
        coalesce(sum(duplicate_cents), 0)::bigint as duplicate_cents,
        coalesce(sum(cap_cents), 0)::bigint as cap_cents,
        coalesce(sum(leads), 0)::bigint as leads,
        coalesce(sum(actions), 0)::bigint as actions,
        coalesce(sum(unpriced), 0)::bigint as unpriced,
        coalesce(sum(leads_without_user), 0)::bigint as leads_without_user
    from cells
    group by grouping sets (
        (period), (period, customer_id), (period, product_id), (period, lead_type)
    )
)

select
    part, period, customers.external_id as customer, customers.name as customer_name,
    products.external_id as product, products.name as product_name, lead_type,
    gross_cents, billed_cents, duplicate_cents, cap_cents, leads, actions, unpriced,
    leads_without_user
from grouped
left join customers using (customer_id)
left join products using (product_id)
where part = :whole or (period = :month and leads > 0)
order by period, part, billed_cents desc, gross_cents desc, customer, product, lead_type
