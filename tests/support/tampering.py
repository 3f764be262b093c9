"""Does as a superuser what no part of the product can: changes what is final."""

from sqlalchemy import Connection, text

from common.database.transactions import transaction

_LINED = {
    "lead_ids": "lead_id",
    "action_ids": "action_id",
    "product_ids": "product_id",
    "user_keys": "user_key",
    "lead_types": "lead_type",
    "action_types": "action_type",
    "engagement_levels": "engagement_level",
    "timestamps": "timestamp",
    "gross_cents": "gross_cents",
    "billed_cents": "billed_cents",
    "cap_used_before_cents": "cap_used_before_cents",
    "rates": "nullif(rate, 'level')",
    "duplicate_of_lead_ids": "duplicate_of_lead_id",
    "duplicate_of_action_ids": "duplicate_of_action_id",
    "duplicate_of_timestamps": "duplicate_of_timestamp",
}
# In front of the view of this name, for the length of the transaction.
_SPREAD_OUT = """
create temporary table billing_report_lines on commit drop as
select line.*, block.block_hash
from public.billing_report_lines as line
join billing_report_line_blocks as block
    on block.report_id = line.report_id and block.first_line = line.block_first_line
"""
_PUT_BACK = f"""
insert into billing_report_line_blocks (
    report_id, first_line, last_line, customer_id, period, first_timestamp, last_timestamp,
    cap_limit_cents, {", ".join(_LINED)}, block_hash
)
select
    report_id, min(line_number), max(line_number), customer_id, period, min(timestamp),
    max(timestamp), min(cap_limit_cents),
    {", ".join(f"array_agg({column} order by line_number)" for column in _LINED.values())},
    max(block_hash)
from (
    select *, line_number - row_number() over (
        partition by report_id, block_first_line order by line_number
    ) as run
    from billing_report_lines
) as line
group by report_id, customer_id, period, block_first_line, run
"""


def tamper(table: str, change: str) -> None:
    """Runs a statement that the database refuses. Lines may be changed as if they were rows."""
    with transaction() as session:
        connection = session.connection()
        if table == "billing_report_lines":
            _tamper_with_lines(connection, change)
        else:
            connection.execute(text(f"alter table {table} disable trigger user"))
            assert connection.execute(text(change)).rowcount
            connection.execute(text(f"alter table {table} enable trigger user"))


def _tamper_with_lines(connection: Connection, change: str) -> None:
    connection.execute(text(_SPREAD_OUT))
    assert connection.execute(text(change)).rowcount
    connection.execute(text("alter table billing_report_line_blocks disable trigger user"))
    connection.execute(text("delete from billing_report_line_blocks"))
    connection.execute(text(_PUT_BACK))
    connection.execute(text("alter table billing_report_line_blocks enable trigger user"))
