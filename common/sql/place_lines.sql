-- Gives each line its number on the report, behind the common table expressions of
-- number_lines.sql.
placed as (
    select
        numbered.*,
        number + case
            when period = :period then 0
            else (select lines_before from counted where counted.period = numbered.period)
        end as line_number,
        case
            when repeated_action_id is not null then 'duplicate'
            when cap_cents = 0 then 'billed'
            when billed_cents > 0 then 'partially_capped'
            else 'capped'
        end as outcome
    from numbered
)
