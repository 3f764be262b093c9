-- params: first_leaf bigint
--
-- All sealed reports in the order of their leaves, each with the leaf that it gives now. A report
-- that is not there any more has none.
select
    seal.leaf_index, seal.customer_id, seal.report_id, seal.head_number,
    customers.external_id as customer, report.period,
    case
        when report.report_id is not null
            then report_leaf(
                customers.external_id, report.period, report.content_hash, seal.facts
            )
    end as leaf
from report_seals as seal
left join billing_reports as report
    on report.customer_id = seal.customer_id and report.report_id = seal.report_id
left join customers on customers.customer_id = seal.customer_id
where seal.leaf_index >= :first_leaf
order by seal.leaf_index
