-- params: customer_id uuid, report_id uuid, after_line int, last_line int, period date
-- params: after_timestamp timestamptz, after_created timestamptz, after_lead uuid
-- params: after_key text, after_level engagement_level, after_occurrence int
--
-- The number of the last line of a final report, behind `after_line` and up to `last_line`, that
-- stands in canonical order where `after_...` does or before; null where none does. `period` is that
-- line's own month. Blocks that end before it are not opened. `offset 0`: one look at the key of the
-- action of each line of this moment, whatever the planner knows of the tables.
select max(number)
from (
    select max(block.last_line) as number
    from billing_report_line_blocks as block
    where block.customer_id = :customer_id
        and block.report_id = :report_id
        and block.first_line > :after_line
        and block.last_line <= :last_line
        and (block.period, block.last_timestamp) < (:period, cast(:after_timestamp as timestamptz))
    union all
    select max(line.line_number)
    from billing_report_lines as line
    left join lateral (
        select lead_created_at, lead_id, action_key, engagement_level, occurrence
        from actions
        where line.timestamp = :after_timestamp
            and actions.customer_id = :customer_id
            and actions.lead_id = line.lead_id
            and actions.action_id = line.action_id
        offset 0
    ) as actions on true
    where line.customer_id = :customer_id
        and line.report_id = :report_id
        and line.period = :period
        and line.block_first_timestamp <= :after_timestamp
        and line.block_last_timestamp >= :after_timestamp
        and line.line_number > :after_line
        and line.line_number <= :last_line
        and (
            line.timestamp < :after_timestamp
            or (
                line.timestamp = :after_timestamp
                and (
                    actions.lead_created_at, actions.lead_id, actions.action_key,
                    actions.engagement_level, actions.occurrence
                ) <= (
                    cast(:after_created as timestamptz), cast(:after_lead as uuid),
                    cast(:after_key as text) collate "C",
                    cast(:after_level as engagement_level), cast(:after_occurrence as int)
                )
            )
        )
) as found
