"""Credits: which ones are due on the next report, and which stand on a final one.

Invariant: a line is credited at most once, with the amount it billed.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    Connection,
    func,
    select,
    text,
)

from common.database.sql_loader import load_statement
from common.disputes.credit import Credit
from common.disputes.models import Dispute, DisputeLine
from common.disputes.search import is_credit_of_line
from common.enums import DisputeReason, DisputeStatus
from common.final_reports.models import BillingReportCredit

_PENDING = text(
    f"""
with {load_statement("disputes", "pending_credits")}

select
    pending.dispute_id::text, pending.reason, pending.decided_at, pending.of_report_id::text,
    pending.of_period, pending.of_line_number, pending.lead, pending.action_id::text,
    line.action_type, line.engagement_level, pending.amount_cents
from pending
join billing_report_lines as line
    on line.report_id = pending.of_report_id and line.line_number = pending.of_line_number
    and pending.of_line_number between line.block_first_line and line.block_last_line
order by pending.credit_number
"""
)
_FINAL = text(
    """
select
    credit.dispute_id::text, disputes.reason, disputes.decided_at, credit.of_report_id::text,
    source.period, credit.of_line_number, leads.external_id, line.action_id::text,
    line.action_type, line.engagement_level, credit.amount_cents
from billing_report_credits as credit
join disputes using (dispute_id)
join billing_reports as source on source.report_id = credit.of_report_id
join billing_report_lines as line
    on line.report_id = credit.of_report_id and line.line_number = credit.of_line_number
    and credit.of_line_number between line.block_first_line and line.block_last_line
join leads on leads.lead_id = line.lead_id
where credit.report_id = :report_id
order by credit.credit_number
"""
)


def pending_credits(connection: Connection, customer_id: UUID) -> list[Credit]:
    """What stands on the draft of a customer's first open month."""
    return _credits(connection.execute(_PENDING, {"customer_id": str(customer_id)}))


def final_credits(connection: Connection, report_id: UUID) -> list[Credit]:
    """What stands on a final report."""
    return _credits(connection.execute(_FINAL, {"report_id": str(report_id)}))


def pending_cents(connection: Connection, customer_id: UUID | None) -> dict[UUID, int]:
    """The sum of what `pending_credits` gives, by customer, of one or of all."""
    query = (
        select(Dispute.customer_id, func.sum(DisputeLine.amount_cents).label("cents"))
        .join(DisputeLine, DisputeLine.dispute_id == Dispute.dispute_id)
        .outerjoin(BillingReportCredit, is_credit_of_line())
        .where(Dispute.status == DisputeStatus.ACCEPTED, BillingReportCredit.report_id.is_(None))
        .group_by(Dispute.customer_id)
    )
    if customer_id is not None:
        query = query.where(Dispute.customer_id == customer_id)
    return {row.customer_id: int(row.cents) for row in connection.execute(query)}


class CreditCount(NamedTuple):
    """How many lines are credited on final reports and on drafts, and how many of them wrongly."""

    final: int
    draft: int
    misplaced: int


_COUNTS = text(
    """
select
    count(placed.report_id) as final,
    count(*) filter (where disputed.status = 'accepted' and placed.report_id is null) as draft,
    count(*) filter (
        where placed.report_id is not null and (
            disputed.status is distinct from 'accepted'
            or line.billed_cents is null
            or credit.amount_cents > line.billed_cents
            or placed.customer_id <> source.customer_id
            or placed.period <= source.period
        )
    ) as misplaced
from dispute_lines as disputed
full join billing_report_credits as credit
    on credit.of_report_id = disputed.report_id
    and credit.of_line_number = disputed.line_number
    and credit.dispute_id = disputed.dispute_id
left join billing_reports as source
    on source.report_id = coalesce(disputed.report_id, credit.of_report_id)
left join billing_reports as placed on placed.report_id = credit.report_id
left join billing_report_lines as line
    on line.report_id = credit.of_report_id and line.line_number = credit.of_line_number
    and credit.of_line_number between line.block_first_line and line.block_last_line
where cast(:customer_id as uuid) is null or source.customer_id = :customer_id
"""
)


def count_credits(connection: Connection, customer_id: UUID | None) -> CreditCount:
    """Holds each credit, of one customer or all, against its dispute and what its line billed."""
    row = connection.execute(_COUNTS, {"customer_id": customer_id and str(customer_id)}).one()
    return CreditCount(*row)


def _credits(rows: Iterable[Sequence[object]]) -> list[Credit]:
    found = []
    for dispute_id, reason, *rest in rows:
        found.append(Credit(dispute_id, DisputeReason(str(reason)), *rest))  # type: ignore[arg-type]
    return found
