-- How many lines stand before those of each month: the lines of :period come first, then those of
-- prior ones.
counted as (
    select period, sum(lines) over (order by period < :period, period) - lines as lines_before
    from (select period, count(*)::int as lines from numbered group by period) as month
)
