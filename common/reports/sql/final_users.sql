-- params: customer_id uuid, report_id uuid, search jsonb, is_filtered boolean
-- params: after_gross bigint, after_key uuid, max_groups int
--
-- A page of the users of a final report, the largest first, behind the one that `after_...` names.
select *
from (
    select
        leads.user_key as key,
        max(user_name(leads.*) collate "C") as user_name,
        bool_or(leads.has_user) as has_user,
        sum(kept.gross_cents)::bigint as gross_cents,
        sum(kept.billed_cents)::bigint as billed_cents,
        sum(kept.duplicate_cents)::bigint as duplicate_cents,
        sum(kept.cap_cents)::bigint as cap_cents,
        count(*) as leads,
        sum(kept.actions)::bigint as actions,
        0 as unpriced,
        bool_or(
            line_matches(:search, null, null, null, user_name(leads.*), null, null)
        ) as is_found
    from billing_report_lead_totals as stored
    cross join lateral unnest(
        lead_ids, gross_cents, billed_cents, duplicate_cents, cap_cents, action_counts
    ) as kept (lead_id, gross_cents, billed_cents, duplicate_cents, cap_cents, actions)
    join leads on leads.customer_id = :customer_id and leads.lead_id = kept.lead_id
    where stored.customer_id = :customer_id and stored.report_id = :report_id
    group by leads.user_key
) as totals
where (not :is_filtered or is_found)
    and (
        cast(:after_gross as bigint) is null
        or (gross_cents <= :after_gross
            and (gross_cents < :after_gross or key > cast(:after_key as uuid)))
    )
order by gross_cents desc, key
limit :max_groups
