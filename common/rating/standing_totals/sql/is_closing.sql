-- params: longest_minutes int
--
-- Whether a billing run closes a month at this moment. A run that was cut short never finishes, so one
-- that started longer ago does not count.
select exists (
    select
    from billing_runs
    where finished_at is null
        and started_at > now() - make_interval(mins => :longest_minutes)
)
