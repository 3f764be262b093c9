-- include: rating/standing_totals/backlog_scope materialized
-- params: customer_id uuid, lead_search jsonb, level engagement_level, outcome outcome
-- params: is_descending boolean, max_lines int, skipped_lines int
-- params: after_timestamp timestamptz, after_created timestamptz, after_lead uuid
-- params: after_key text, after_level engagement_level, after_occurrence int
--
-- Whom to rate for a page of a draft's lines: the page's actions, their users and the range of their
-- times, by what is known of them without rating, and the users that the standing totals do not hold
-- yet. `lead_search` is
-- null where every lead is searched for. With `outcome` the page's lines are only known once they
-- are rated: then there are no actions, and the users are those of leads with such a line.
with month as materialized (
    select
        local_midnight(:period, timezone) as starts_at,
        period_end(:period, timezone) as ends_at
    from customers
    where customer_id = :customer_id
),

behind as materialized (
    select
        coalesce(bool_or(user_keys is null), false) as is_whole,
        coalesce(array_agg(user_key::uuid) filter (where user_key is not null), '{}') as user_keys
    from backlog_scope
    left join lateral unnest(backlog_scope.user_keys) as behind (user_key) on true
),

-- The leads that are searched for. The standing totals say which lines a lead has, unless its user
-- is behind.
found as materialized (
    select leads.lead_id, leads.user_key
    from (
        select standing.lead_id
        from standing_lead_totals as standing
        where (cast(:lead_search as jsonb) is not null or cast(:outcome as outcome) is not null)
            and standing.customer_id = :customer_id
            and standing.period = :period
            and (
                cast(:outcome as outcome) is null
                or standing.outcomes & outcome_bit(:outcome) > 0
            )
        union
        select leads.lead_id
        from behind
        cross join unnest(behind.user_keys) as behind_user (user_key)
        join leads
            on leads.customer_id = :customer_id and leads.user_key = behind_user.user_key
        where cast(:lead_search as jsonb) is not null or cast(:outcome as outcome) is not null
    ) as known
    join leads on leads.customer_id = :customer_id and leads.lead_id = known.lead_id
    join products on products.product_id = leads.product_id
    where cast(:lead_search as jsonb) is null
        or line_matches(
            :lead_search, leads.external_id, products.external_id, leads.lead_type,
            user_name(leads.*), null, null
        )
),

-- The month's ends are values here, because a join would hide the order of the index. Three ways to
-- the page, of which PostgreSQL plans the one that is asked for: by the index in
-- canonical order; by the same index backward, where equal times keep their order; by the leads.
page as materialized (
    (
        select actions.action_id, actions.user_key, actions.timestamp
        from actions
        where cast(:lead_search as jsonb) is null
            and cast(:outcome as outcome) is null
            and not :is_descending
            and actions.customer_id = :customer_id
            and actions.timestamp >= (select starts_at from month)
            and actions.timestamp < (select ends_at from month)
            and (cast(:level as engagement_level) is null or engagement_level = :level)
            and (
                cast(:after_timestamp as timestamptz) is null
                or (
                    timestamp, lead_created_at, lead_id, action_key, engagement_level, occurrence
                ) > (
                    cast(:after_timestamp as timestamptz), cast(:after_created as timestamptz),
                    cast(:after_lead as uuid), cast(:after_key as text) collate "C",
                    cast(:after_level as engagement_level), cast(:after_occurrence as int)
                )
            )
        order by timestamp, lead_created_at, lead_id, action_key, engagement_level, occurrence
        limit :max_lines offset :skipped_lines
    )
    union all
    (
        select actions.action_id, actions.user_key, actions.timestamp
        from actions
        where cast(:lead_search as jsonb) is null
            and cast(:outcome as outcome) is null
            and :is_descending
            and actions.customer_id = :customer_id
            and actions.timestamp >= (select starts_at from month)
            and actions.timestamp < (select ends_at from month)
            and (cast(:level as engagement_level) is null or engagement_level = :level)
        order by timestamp desc, lead_created_at, lead_id, action_key, engagement_level, occurrence
        limit :max_lines offset :skipped_lines
    )
    union all
    (
        select of_lead.action_id, of_lead.user_key, of_lead.timestamp
        from found
        cross join lateral (
            select *
            from actions
            where actions.customer_id = :customer_id and actions.lead_id = found.lead_id
            offset 0
        ) as of_lead
        where of_lead.timestamp >= (select starts_at from month)
            and of_lead.timestamp < (select ends_at from month)
            and cast(:lead_search as jsonb) is not null
            and cast(:outcome as outcome) is null
            and (cast(:level as engagement_level) is null or of_lead.engagement_level = :level)
            and (
                cast(:after_timestamp as timestamptz) is null
                or (
                    of_lead.timestamp, of_lead.lead_created_at, of_lead.lead_id, of_lead.action_key,
                    of_lead.engagement_level, of_lead.occurrence
                ) > (
                    cast(:after_timestamp as timestamptz), cast(:after_created as timestamptz),
                    cast(:after_lead as uuid), cast(:after_key as text) collate "C",
                    cast(:after_level as engagement_level), cast(:after_occurrence as int)
                )
            )
        order by
            case when :is_descending then of_lead.timestamp end desc, of_lead.timestamp,
            of_lead.lead_created_at, of_lead.lead_id, of_lead.action_key,
            of_lead.engagement_level, of_lead.occurrence
        limit :max_lines offset :skipped_lines
    )
)

select
    behind.is_whole,
    behind.user_keys::text[] as users_behind,
    case
        when cast(:outcome as outcome) is null then array(select action_id::text from page)
    end as action_ids,
    case
        when cast(:outcome as outcome) is null
            then array(select distinct user_key::text from page)
        else array(select distinct user_key::text from found)
    end as users,
    (select min(timestamp) from page) as starts_at,
    (select max(timestamp) + interval '1 microsecond' from page) as ends_at
from behind
