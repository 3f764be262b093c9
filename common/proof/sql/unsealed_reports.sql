-- params: max_reports int
--
-- Final reports that no head holds yet, in the order in which they were closed.
select
    report.customer_id, report.report_id, report.run_id, customers.external_id as customer,
    report.period, report.issuer, report.number, report.content_hash
from billing_reports as report
join customers using (customer_id)
where not exists (
    select from report_seals as seal
    where seal.customer_id = report.customer_id and seal.report_id = report.report_id
)
order by report.finalized_at, report.customer_id, report.period
limit :max_reports
