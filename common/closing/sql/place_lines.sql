-- Gives each line its number on the report, behind the common table expressions of count_lines.sql.
lines as materialized (
    select
        numbered.*,
        number + case
            when period = :period then 0
            else (select lines_before from counted where counted.period = numbered.period)
        end as line_number
    from numbered
)
