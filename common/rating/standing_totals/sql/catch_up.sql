-- include: rating/standing_totals/rated_leads materialized
-- include: rating/standing_totals/superseded_leads materialized
--
-- Has the standing totals of some users' months hold what they come to now. Writes the leads that
-- differ, and adds the difference to the totals of their users, parts and months. Returns how many
-- leads differed. Run under the lock of lock_rating.sql.
with changed as materialized (
    select
        customer_id, period, user_key, lead_id,
        coalesce(rated.product_id, superseded.product_id) as product_id,
        coalesce(rated.lead_type, superseded.lead_type) as lead_type,
        coalesce(rated.has_user, superseded.has_user) as has_user,
        rated.gross_cents, rated.billed_cents, rated.duplicate_cents, rated.cap_cents,
        rated.actions, rated.unpriced, rated.outcomes,
        coalesce(rated.gross_cents, 0) - coalesce(superseded.gross_cents, 0) as gross_difference,
        coalesce(rated.billed_cents, 0) - coalesce(superseded.billed_cents, 0) as billed_difference,
        coalesce(rated.duplicate_cents, 0) - coalesce(superseded.duplicate_cents, 0) as duplicate_difference,
        coalesce(rated.cap_cents, 0) - coalesce(superseded.cap_cents, 0) as cap_difference,
        coalesce(rated.actions, 0) - coalesce(superseded.actions, 0) as actions_difference,
        coalesce(rated.unpriced, 0) - coalesce(superseded.unpriced, 0) as unpriced_difference,
        (rated.lead_id is not null)::int - (superseded.lead_id is not null)::int
            as leads_difference
    from rated_leads as rated
    full join superseded_leads as superseded using (customer_id, period, user_key, lead_id)
    where (
        rated.gross_cents, rated.billed_cents, rated.duplicate_cents, rated.cap_cents,
        rated.actions, rated.unpriced, rated.outcomes
    ) is distinct from (
        superseded.gross_cents, superseded.billed_cents, superseded.duplicate_cents,
        superseded.cap_cents, superseded.actions, superseded.unpriced, superseded.outcomes
    )
),

gone as (
    delete from standing_lead_totals as standing
    using changed
    where changed.outcomes is null
        and standing.customer_id = changed.customer_id
        and standing.period = changed.period
        and standing.user_key = changed.user_key
        and standing.lead_id = changed.lead_id
),

leads_written as (
    insert into standing_lead_totals (
        customer_id, period, user_key, lead_id, product_id, lead_type, has_user, gross_cents,
        billed_cents, duplicate_cents, cap_cents, actions, unpriced, outcomes
    )
    select
        customer_id, period, user_key, lead_id, product_id, lead_type, has_user, gross_cents,
        billed_cents, duplicate_cents, cap_cents, actions, unpriced, outcomes
    from changed
    where outcomes is not null
    order by customer_id, period, user_key, lead_id
    on conflict (customer_id, period, user_key, lead_id) do update set
        gross_cents = excluded.gross_cents,
        billed_cents = excluded.billed_cents,
        duplicate_cents = excluded.duplicate_cents,
        cap_cents = excluded.cap_cents,
        actions = excluded.actions,
        unpriced = excluded.unpriced,
        outcomes = excluded.outcomes
),

users_added as (
    insert into standing_user_totals as total (
        customer_id, period, user_key, gross_cents, billed_cents, duplicate_cents, cap_cents, leads,
        actions, unpriced, leads_without_user
    )
    select
        customer_id, period, user_key, sum(gross_difference), sum(billed_difference),
        sum(duplicate_difference), sum(cap_difference), sum(leads_difference),
        sum(actions_difference), sum(unpriced_difference),
        coalesce(sum(leads_difference) filter (where not has_user), 0)
    from changed
    group by customer_id, period, user_key
    order by customer_id, period, user_key
    on conflict (customer_id, period, user_key) do update set
        gross_cents = total.gross_cents + excluded.gross_cents,
        billed_cents = total.billed_cents + excluded.billed_cents,
        duplicate_cents = total.duplicate_cents + excluded.duplicate_cents,
        cap_cents = total.cap_cents + excluded.cap_cents,
        leads = total.leads + excluded.leads,
        actions = total.actions + excluded.actions,
        unpriced = total.unpriced + excluded.unpriced,
        leads_without_user = total.leads_without_user + excluded.leads_without_user
),

parts_added as (
    insert into standing_part_totals as total (
        customer_id, period, product_id, lead_type, gross_cents, billed_cents, duplicate_cents, cap_cents, leads,
        actions, unpriced, leads_without_user
    )
    select
        customer_id, period, product_id, lead_type, sum(gross_difference), sum(billed_difference),
        sum(duplicate_difference), sum(cap_difference), sum(leads_difference),
        sum(actions_difference), sum(unpriced_difference),
        coalesce(sum(leads_difference) filter (where not has_user), 0)
    from changed
    group by customer_id, period, product_id, lead_type
    order by customer_id, period, product_id, lead_type
    on conflict (customer_id, period, product_id, lead_type) do update set
        gross_cents = total.gross_cents + excluded.gross_cents,
        billed_cents = total.billed_cents + excluded.billed_cents,
        duplicate_cents = total.duplicate_cents + excluded.duplicate_cents,
        cap_cents = total.cap_cents + excluded.cap_cents,
        leads = total.leads + excluded.leads,
        actions = total.actions + excluded.actions,
        unpriced = total.unpriced + excluded.unpriced,
        leads_without_user = total.leads_without_user + excluded.leads_without_user
),

months_added as (
    insert into standing_month_totals as total (
        customer_id, period, gross_cents, billed_cents, duplicate_cents, cap_cents, leads,
        actions, unpriced, leads_without_user
    )
    select
        customer_id, period, sum(gross_difference), sum(billed_difference),
        sum(duplicate_difference), sum(cap_difference), sum(leads_difference),
        sum(actions_difference), sum(unpriced_difference),
        coalesce(sum(leads_difference) filter (where not has_user), 0)
    from changed
    group by customer_id, period
    order by customer_id, period
    on conflict (customer_id, period) do update set
        gross_cents = total.gross_cents + excluded.gross_cents,
        billed_cents = total.billed_cents + excluded.billed_cents,
        duplicate_cents = total.duplicate_cents + excluded.duplicate_cents,
        cap_cents = total.cap_cents + excluded.cap_cents,
        leads = total.leads + excluded.leads,
        actions = total.actions + excluded.actions,
        unpriced = total.unpriced + excluded.unpriced,
        leads_without_user = total.leads_without_user + excluded.leads_without_user
)

select count(*) as leads from changed
