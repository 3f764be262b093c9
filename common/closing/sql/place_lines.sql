-- Gives each line its number on the report, and what follows from the rest of it, behind the common
-- table expressions of count_lines.sql.
placed as (
    select
        numbered.*,
        number + case
            when period = :period then 0
            else (select lines_before from counted where counted.period = numbered.period)
        end as line_number,
        case when repeated_action_id is null then 0 else gross_cents end as duplicate_cents,
        case when repeated_action_id is null then gross_cents - billed_cents else 0 end as cap_cents,
        case
            when repeated_action_id is not null then 'duplicate'
            when billed_cents = gross_cents then 'billed'
            when billed_cents > 0 then 'partially_capped'
            else 'capped'
        end as outcome
    from numbered
)
