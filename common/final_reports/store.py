"""Final reports as they are stored, and how far each customer's periods are closed.

Invariant: a final report is read from its stored lines and never rated again.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, TextClause, func, select, text

from common.final_reports.models import BillingReport
from common.rating.breakdowns import SummaryRow, summary_of, summary_rows
from common.rating.line import Line
from common.rating.rated_lines import LINES_AT_ONCE

# What each lead comes to is kept; who and what it is, is the lead's to say. One is looked up at a
# time: all leads there are would be read otherwise, for a few thousand of them.
_KEPT_BY_LEAD = """
named as (
    select
        kept.*, 0 as unpriced, leads.external_id as lead, leads.product_id, leads.lead_type,
        leads.user_key, leads.has_user,
        coalesce(leads.user_email, leads.user_phone, leads.user_external_id) as user_name
    from (
        select part.*
        from billing_report_lead_totals as breakdown
        cross join lateral unnest(
            lead_ids, gross_cents, billed_cents, duplicate_cents, cap_cents, action_counts
        ) as part (
            lead_id, gross_cents, billed_cents, duplicate_cents, cap_cents, actions
        )
        where breakdown.report_id = :report_id
    ) as kept
    cross join lateral (
        select * from leads where leads.lead_id = kept.lead_id limit 1
    ) as leads
)"""
_FINAL_SUMMARY = summary_of(_KEPT_BY_LEAD)


def summarise_final(connection: Connection, report_id: UUID) -> list[SummaryRow]:
    """The totals of a final report's own lines, without those of prior periods, in every breakdown.

    They are kept with the report, so this costs what its leads do, not what its lines do.
    """
    return summary_rows(connection.execute(_FINAL_SUMMARY, {"report_id": str(report_id)}))


def closed_through(connection: Connection, customer_id: UUID) -> date | None:
    """The month of the customer's last final report: it and all before it are closed."""
    last = select(func.max(BillingReport.period)).where(BillingReport.customer_id == customer_id)
    return connection.scalar(last)


def all_closed_through(connection: Connection) -> dict[UUID, date]:
    """The same for every customer that has a final report."""
    through = func.max(BillingReport.period).label("through")
    last = select(BillingReport.customer_id, through).group_by(BillingReport.customer_id)
    return {row.customer_id: row.through for row in connection.execute(last)}


def periods_of(connection: Connection, report_ids: Iterable[UUID]) -> dict[UUID, date]:
    """The months of final reports."""
    query = select(BillingReport.report_id, BillingReport.period)
    found = connection.execute(query.where(BillingReport.report_id.in_(report_ids)))
    return {row.report_id: row.period for row in found}


_LINES = """
select
    final.period, final.action_id::text, {lead}, products.external_id as product, final.lead_type,
    {user_name}, final.user_key::text, final.action_type, final.engagement_level, final.timestamp,
    final.gross_cents, final.billed_cents, final.duplicate_cents, final.cap_cents,
    final.cap_limit_cents, final.cap_used_before_cents, {original_lead},
    final.duplicate_of_action_id::text as original_action_id,
    final.duplicate_of_timestamp as original_timestamp, final.rate, {has_user},
    final.line_number, {report_id}
from billing_report_lines as final
join products on products.product_id = final.product_id
{leads}
"""
# The members of a Line in their order, then what places it among the others.
FINAL_LINE_SOURCE = _LINES.format(
    lead="leads.external_id as lead",
    user_name="coalesce(leads.user_email, leads.user_phone, leads.user_external_id) as user_name",
    original_lead="original_leads.external_id as original_lead",
    has_user="leads.has_user",
    report_id="final.report_id",
    leads="""
cross join lateral (select * from leads where leads.lead_id = final.lead_id limit 1) as leads
left join lateral (
    select external_id from leads where leads.lead_id = final.duplicate_of_lead_id limit 1
) as original_leads on true
""",
)
# The same of one report, with leads by their UUIDs and without what a lead says of its user.
_UNNAMED_LINES = _LINES.format(
    lead="final.lead_id::text",
    user_name="null",
    original_lead="final.duplicate_of_lead_id::text",
    has_user="null",
    report_id="null",
    leads="",
)
_PRIOR_LINES = text(
    f"""
{FINAL_LINE_SOURCE}
where final.report_id = :report_id
    and final.line_number > :after and final.block_last_line > :after
order by final.line_number
"""
)
_LINES_OF_LEAD = text(
    f"""
with of_lead as materialized (select timestamp from actions where lead_id = :lead_id)

{FINAL_LINE_SOURCE}
where final.customer_id = :customer_id and final.period = any(:periods)
    and final.lead_id = :lead_id
    and final.block_last_timestamp >= (select min(timestamp) from of_lead)
    and final.block_first_timestamp <= (select max(timestamp) from of_lead)
order by final.line_number
"""
)
_OWN_LINES = text(
    f"""
{_UNNAMED_LINES}
where final.report_id = :report_id
    and final.line_number > :after and final.block_last_line > :after
    and final.line_number <= :last and final.block_first_line <= :last
order by final.line_number
"""
)


class FinalLine(NamedTuple):
    """A line of a final report, and which one that is."""

    line: Line
    report_id: UUID


class NamedLead(NamedTuple):
    """What a line tells of its lead: the id its sender gave it, and whom it names."""

    external_id: str
    user: str | None
    has_user: bool


def leads_of(summary: Iterable[SummaryRow]) -> dict[str, NamedLead]:
    """The leads of a report by their UUIDs."""
    return {
        row.lead_key: NamedLead(row.lead_id, row.user, not row.leads_without_user)
        for row in summary
        if row.lead_key is not None and row.lead_id is not None
    }


def own_lines(
    connection: Connection,
    report_id: UUID,
    leads: Mapping[str, NamedLead],
    *,
    after: int,
    last: int,
) -> Iterator[Line]:
    """Lines of a final report's own month by their number, those behind `after` up to `last`.

    They are of the report's `leads`, and repeat none but these.
    """
    parameters = {"report_id": str(report_id), "after": after, "last": last}
    for line, _ in _streamed(connection, _OWN_LINES, parameters):
        # A line that was tampered with may name any lead.
        lead = leads.get(line.lead_id) or NamedLead(line.lead_id, None, has_user=True)
        repeated = leads.get(line.duplicate_of_lead_id or "")
        yield line._replace(
            lead_id=lead.external_id,
            user=lead.user,
            has_user=lead.has_user,
            duplicate_of_lead_id=repeated.external_id if repeated else line.duplicate_of_lead_id,
        )


def prior_lines(connection: Connection, report_id: UUID, after: int) -> Iterator[Line]:
    """The prior-period lines of a final report, which stand behind its own: behind `after`."""
    parameters = {"report_id": str(report_id), "after": after}
    return (each.line for each in _streamed(connection, _PRIOR_LINES, parameters))


def final_lines_of_lead(
    connection: Connection, customer_id: UUID, lead_id: UUID, periods: list[date]
) -> Iterator[FinalLine]:
    """The final lines of a lead, given its customer and the months its actions belong to."""
    return _streamed(
        connection,
        _LINES_OF_LEAD,
        {"customer_id": str(customer_id), "lead_id": str(lead_id), "periods": periods},
    )


def _streamed(
    connection: Connection, query: TextClause, parameters: dict[str, Any]
) -> Iterator[FinalLine]:
    rows = connection.execute(
        query,
        parameters,
        execution_options={"stream_results": True, "yield_per": LINES_AT_ONCE},
    )
    for row in rows:
        *members, _, report_id = row
        yield FinalLine(Line(*members), report_id)
