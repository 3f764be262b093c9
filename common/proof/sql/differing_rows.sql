-- params: max_findings int
--
-- What goes on changing after a report is closed, and is not as its audit entries say: disputes and
-- billing runs by the hash in their last entry, issuers by how many reports have their numbers.
with noted as (
    select distinct on (subject, subject_id) subject, subject_id, after ->> 'row_hash' as row_hash
    from audit_log
    where subject in ('dispute', 'billing_run')
    order by subject, subject_id, entry_id desc
),

stored as (
    select
        'dispute' as subject, dispute_id::text as subject_id,
        dispute_hash(customer_id, dispute_id) as row_hash
    from disputes
    union all
    select 'billing_run', run_id::text, run_hash(run_id)
    from billing_runs
)

select
    case subject when 'dispute' then 'dispute' else 'billing run' end || ' ' || subject_id
    || case
        when stored.row_hash is null then ' was deleted'
        when noted.row_hash is null then ' was added'
        else ' was changed'
    end as finding
from noted
full join stored using (subject, subject_id)
where noted.row_hash is distinct from stored.row_hash
union all
select
    format(
        'issuer %s gave %s numbers, and %s reports have one', issuer,
        coalesce(numbers.last_number, 0), coalesce(reports.count, 0)
    )
from statement_numbers as numbers
full join (
    select issuer, count(*) as count from billing_reports group by issuer
) as reports using (issuer)
where coalesce(numbers.last_number, 0) <> coalesce(reports.count, 0)
union all
select format('%s nodes of the tree of %s were added', count - expected, tree)
from (
    select
        tree, count(*) as count,
        -- As many nodes as leaves, half as many above them, and so on.
        (
            select coalesce(sum(leaves >> level), 0)::bigint
            from generate_series(0, 62) as level
        ) as expected
    from merkle_nodes
    join (
        select 'reports' as tree, count(*) as leaves from report_seals
        union all
        select 'audit', count(*) from audit_seals
    ) as trees using (tree)
    group by tree, leaves
) as nodes
where count > expected
order by finding
limit :max_findings
