-- params: items json
--
-- Stores a batch of validated leads and says per item what became of it, in one statement.
-- `items` is a JSON array of one object per item (common/leads/ingestion.py).
--
-- Runs when the locks of its customers are shared (common/database/locks.py), so none of their
-- periods is closed and none of their users is erased while it runs.
--
-- Whatever is contended is written in the order of its key, and leads before actions before
-- quarantine: batches that overlap wait for each other and never in a circle.
with item as materialized (
    select *
    from json_to_recordset(:items) as item (
        item int, lead_id uuid, external_id text, customer_id uuid, customer text,
        product_id uuid, product text, lead_type text, lead_type_key text collate "C",
        user_key uuid, has_user boolean, known_by user_kind, user_email text, user_phone text,
        user_external_id text, unusable text[], is_national boolean, phone_region text,
        created_at timestamptz, is_merged boolean, actions json
    )
),

compared as materialized (
    select
        item.item, item.lead_id, item.external_id, item.customer_id, item.customer,
        item.product_id, item.product, coalesce(lead_types.lead_type, item.lead_type) as lead_type,
        item.user_key, item.has_user, item.known_by, item.user_email, item.user_phone,
        item.user_external_id, item.unusable, item.created_at, item.is_merged, item.actions,
        customers.phone_region,
        -- A national phone number is another user in another region: the caller has to key it anew.
        item.is_national
            and customers.phone_region is distinct from item.phone_region
            and customers.customer_id is not null as has_other_region,
        stored.lead_id is not null as is_known,
        stored.user_key as stored_user_key,
        case when stored.lead_id is not null then array_remove(array[
            case when stored.product_id <> item.product_id then 'product_id' end,
            case when stored.lead_type <> lead_types.lead_type then 'lead_type' end,
            case when stored.created_at <> item.created_at then 'created_at' end,
            -- Where neither names a user they agree, whatever the fallback's setting was then.
            case when stored.has_user <> item.has_user
                or (item.has_user and stored.user_key <> item.user_key) then 'user' end
        ], null) end as differs,
        lead_types.lead_type is not null as has_known_type,
        erased_users.user_key is not null as is_erased,
        array_remove(array[
            case when customers.customer_id is null then 'customer_id' end,
            case when products.product_id is null then 'product_id' end
        ], null) as unknown
    from item
    left join leads as stored
        on stored.customer_id = item.customer_id and stored.lead_id = item.lead_id
    -- A later lead of an erased user is billed under the same key, and stored without the person.
    left join erased_users
        on erased_users.customer_id = item.customer_id and erased_users.user_key = item.user_key
    left join lead_types on lead_types.lead_type_key = item.lead_type_key
    left join customers on customers.customer_id = item.customer_id
    left join products on products.product_id = item.product_id
),

judged as materialized (
    select
        *,
        has_known_type and not has_other_region and (is_known or unknown = '{}') and coalesce(differs, '{}') = '{}' as is_sound
    from compared
),

sound as materialized (
    select * from judged where is_sound
),

-- A lead that another batch stored since our snapshot is locked and looked at, not overwritten.
stored as (
    insert into leads (
        customer_id, lead_id, external_id, product_id, lead_type, user_key, has_user, known_by,
        unusable, user_email, user_phone, user_external_id, created_at
    )
    select distinct on (customer_id, lead_id)
        customer_id, lead_id, external_id, product_id, lead_type, user_key, has_user, known_by,
        unusable,
        case when not is_erased then user_email end,
        case when not is_erased then user_phone end,
        case when not is_erased then user_external_id end,
        created_at
    from sound
    where not is_known
    order by customer_id, lead_id, item
    on conflict (customer_id, lead_id) do update set lead_id = excluded.lead_id
    where leads.product_id = excluded.product_id
        and leads.lead_type = excluded.lead_type
        and leads.created_at = excluded.created_at
        and leads.has_user = excluded.has_user
        and (leads.user_key = excluded.user_key or not leads.has_user)
    returning
        customer_id, lead_id, product_id, lead_type, created_at, has_user, user_key,
        xmax = 0 as is_new
),

accepted as materialized (
    select
        sound.*,
        coalesce(stored.user_key, sound.stored_user_key) as billed_user_key,
        coalesce(stored.is_new, false) as is_created
    from sound
    left join stored
        on stored.customer_id = sound.customer_id and stored.lead_id = sound.lead_id
    where sound.is_known or (
        stored.product_id = sound.product_id
        and stored.lead_type = sound.lead_type
        and stored.created_at = sound.created_at
        and stored.has_user = sound.has_user
        and (stored.user_key = sound.user_key or not stored.has_user)
    )
),

identified as materialized (
    select
        accepted.item, accepted.customer_id, accepted.lead_id, accepted.product_id,
        accepted.billed_user_key, accepted.lead_type, accepted.created_at, accepted.is_merged,
        action.*,
        action_id(
            accepted.lead_id, action.at, action.level, coalesce(action.n, 1), action.key
        ) as action_id
    from accepted
    cross join lateral json_to_recordset(accepted.actions) as action (
        type text, key text collate "C", level engagement_level, at timestamptz, n int, place int
    )
),

-- An action that was voided is not stored again (docs/billing-rules.md, Void).
voided as materialized (
    select identified.item, identified.place, identified.action_id
    from identified
    join voided_actions using (customer_id, lead_id, action_id)
),

voided_per_item as materialized (
    select item, count(*) as actions_voided, array_agg(place) as places
    from voided
    group by item
),

added as (
    insert into actions (
        customer_id, lead_id, action_id, product_id, user_key, lead_type, lead_created_at,
        action_type, action_key, engagement_level, timestamp, occurrence
    )
    select
        customer_id, lead_id, action_id, product_id, billed_user_key, lead_type, created_at,
        type, key, level, at, coalesce(n, 1)
    from identified
    where action_id not in (select voided.action_id from voided)
    order by customer_id, lead_id, action_id
    on conflict (customer_id, lead_id, action_id) do nothing
    returning customer_id, lead_id, action_id, user_key, timestamp
),

-- Their users' months must be rated again (common/rating/standing_totals).
behind as (
    insert into rating_backlog (customer_id, user_key, first_at, last_at)
    select customer_id, user_key, min(timestamp), max(timestamp)
    from added
    group by customer_id, user_key, date_trunc('month', timestamp at time zone 'UTC')
),

added_per_lead as materialized (
    select customer_id, lead_id, count(*) as actions_added
    from added
    group by customer_id, lead_id
),

-- An action of a closed period is billed as a prior-period line of the next report.
closed as materialized (
    select
        customer_id, timezone,
        local_midnight((closed_through + interval '1 month')::date, timezone) as ends_at
    from customers
    where closed_through is not null and customer_id in (select item.customer_id from item)
),

-- Of the spellings of one action the lowest is shown, whichever came first (docs/billing-rules.md,
-- Canonical order). What stands on a final report keeps its own.
respelled as (
    update actions
    set action_type = spelling.action_type
    from (
        select
            actions.customer_id, actions.lead_id, actions.action_id,
            identified.type as action_type
        from identified
        join accepted on accepted.item = identified.item and not accepted.is_created
        join actions
            on actions.customer_id = identified.customer_id
            and actions.lead_id = identified.lead_id
            and actions.action_id = identified.action_id
        left join closed on closed.customer_id = actions.customer_id
        where identified.type collate "C" < actions.action_type collate "C"
            and (
                closed.ends_at is null
                or actions.timestamp >= closed.ends_at
                or exists (
                    select from late_actions
                    where late_actions.customer_id = actions.customer_id
                        and late_actions.lead_id = actions.lead_id
                        and late_actions.action_id = actions.action_id
                )
            )
        order by actions.customer_id, actions.lead_id, actions.action_id
        for no key update of actions
    ) as spelling
    where actions.customer_id = spelling.customer_id
        and actions.lead_id = spelling.lead_id
        and actions.action_id = spelling.action_id
),

marked_late as (
    insert into late_actions (customer_id, period, lead_id, action_id)
    select
        added.customer_id, billing_period_of(added.timestamp, closed.timezone), added.lead_id,
        added.action_id
    from added
    join closed on closed.customer_id = added.customer_id and added.timestamp < closed.ends_at
),

-- Only a lead that stands in its request several times asks which of its actions were added.
places_added as (
    select identified.item, array_agg(identified.place) as places
    from identified
    join added using (customer_id, lead_id, action_id)
    where identified.is_merged
    group by identified.item
),

to_quarantine as materialized (
    select
        customer_id,
        encode(substr(sha256(convert_to(lead::text, 'UTF8')), 1, 16), 'hex')::uuid as quarantine_id,
        lead_id, product_id, user_key, case when is_erased then lead - 'user' else lead end as lead,
        reason, position
    from (
        select
            customer_id, lead_id, product_id, item as position, is_erased,
            case when has_user then user_key end as user_key,
            jsonb_strip_nulls(jsonb_build_object(
                'lead_id', external_id, 'customer_id', customer, 'product_id', product,
                'lead_type', lead_type, 'created_at', created_at,
                'user', case when num_nonnulls(user_email, user_phone, user_external_id) > 0
                then jsonb_build_object(
                    'email', user_email, 'phone', user_phone, 'external_id', user_external_id
                ) end
            )) || jsonb_build_object('actions', coalesce((
                select jsonb_agg(jsonb_build_object(
                    'action_type', action -> 'type', 'timestamp', action -> 'at',
                    'engagement_level', action -> 'level'
                ) order by position)
                from json_array_elements(actions) with ordinality as sent (action, position)
            ), '[]')) as lead,
            'unknown_' || replace(unknown[1], '_id', '') as reason
        from judged
        where has_known_type and not has_other_region and not is_known and unknown <> '{}'
    ) as kept
),

quarantined as (
    insert into quarantined_leads (
        customer_id, quarantine_id, lead_id, product_id, user_key, lead, reason, position
    )
    select
        customer_id, quarantine_id, lead_id, product_id, user_key, lead, reason, position
    from to_quarantine
    where (select count(*) from added_per_lead) >= 0  -- after the actions, never before
    order by customer_id, quarantine_id
    on conflict (customer_id, quarantine_id) do nothing
    returning customer_id, quarantine_id
),

-- One event of each customer, which names its first leads.
announced as (
    insert into webhook_deliveries (customer_id, webhook_id, owner_id, event_type, data)
    select event.customer_id, webhook.webhook_id, webhook.owner_id, 'lead.quarantined', event.data
    from (
        select
            customer_id,
            jsonb_build_object(
                'customer_id', min(lead ->> 'customer_id'), 'count', count(*),
                'leads', jsonb_agg(jsonb_build_object(
                    'lead_id', lead -> 'lead_id', 'product_id', lead -> 'product_id',
                    'reason', reason
                ) order by place) filter (where place <= 100)
            ) as data
        from (
            select
                to_quarantine.*,
                row_number() over (partition by customer_id order by position) as place
            from quarantined
            join to_quarantine using (customer_id, quarantine_id)
        ) as placed
        group by customer_id
    ) as event
    cross join lateral webhooks_of(event.customer_id, 'lead.quarantined') as webhook
)

select
    judged.item,
    case
        when not judged.has_known_type then 'invalid'
        when judged.has_other_region then 'other_region'
        when judged.differs <> '{}' then 'conflict'
        when accepted.is_created then 'created'
        when accepted.item is not null and added_per_lead.actions_added > 0 then 'updated'
        when accepted.item is not null and voided_per_item.actions_voided > 0 then 'voided'
        when accepted.item is not null then 'unchanged'
        when judged.unknown <> '{}' then 'quarantined'
        else 'conflict'
    end as status,
    coalesce(added_per_lead.actions_added, 0) as actions_added,
    coalesce(places_added.places, '{}') as places_added,
    coalesce(voided_per_item.actions_voided, 0) as actions_voided,
    coalesce(voided_per_item.places, '{}') as places_voided,
    judged.differs,
    judged.unknown,
    judged.phone_region,
    case when not judged.has_known_type then (
        select array_agg(lead_type order by lead_type) from lead_types
    ) end as known_types
from judged
left join accepted using (item)
left join added_per_lead
    on added_per_lead.customer_id = accepted.customer_id
    and added_per_lead.lead_id = accepted.lead_id
left join places_added on places_added.item = accepted.item
left join voided_per_item on voided_per_item.item = accepted.item
order by judged.item
