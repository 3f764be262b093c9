"""Finding disputes, with their lines and the reports that credit them."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, exists, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from common import identifiers
from common.billing_period import Period
from common.catalog.models import Customer
from common.database.transactions import tenant
from common.disputes.draft_lines import DisputedDraftLine, disputed_draft_lines
from common.disputes.models import Dispute, DisputeLine
from common.enums import DisputeStatus, ReportStatus
from common.final_reports.closed_months import first_open_month
from common.final_reports.models import BillingReport, BillingReportCredit, BillingReportLine
from common.leads.models import Lead
from common.problems import NotFound


@dataclass(frozen=True, slots=True)
class DisputeFilter:
    """Which disputes to list. A member that is None leaves none out.

    `period`: the month of a report with a line of the dispute.
    """

    customer_id: UUID | None = None
    status: DisputeStatus | None = None
    period: Period | None = None


class DisputeKey(NamedTuple):
    """The position of a dispute in the list, for a cursor."""

    opened_at: datetime
    dispute_id: UUID


@dataclass(frozen=True, slots=True)
class CreditPlace:
    """The report that holds a credit: the draft of the first open month, until that is closed."""

    period: Period
    status: ReportStatus


@dataclass(frozen=True, slots=True)
class LineInDispute:
    """A disputed line: its place on a report, what it billed, and the report that credits it.

    On a draft it has no number yet, and is billed what it comes to now.
    """

    report_id: UUID
    report_period: Period
    report_status: ReportStatus
    line_number: int | None
    action_id: UUID
    action_type: str
    engagement_level: str
    timestamp: datetime
    billed_cents: int
    credit: CreditPlace | None


@dataclass(frozen=True, slots=True)
class FoundDispute:
    """A stored dispute, with its lines in the order of their reports."""

    dispute: Dispute
    customer_id: str
    lead_id: str
    lines: list[LineInDispute]

    @property
    def billed_cents(self) -> int:
        return sum(line.billed_cents for line in self.lines)

    @property
    def credited_cents(self) -> int:
        return sum(line.billed_cents for line in self.lines if line.credit is not None)


def get_dispute(
    session: Session, dispute_id: UUID, customer_id: UUID | None = None
) -> FoundDispute:
    """Of the customer, where it is known. Raises NotFound."""
    owner = customer_id or owner_of(session, dispute_id)
    query = select(Dispute).where(Dispute.customer_id == owner, Dispute.dispute_id == dispute_id)
    return _with_lines(session, query)[0]


def owner_of(session: Session, dispute_id: UUID) -> UUID:
    """The customer of a dispute, whose id is unique by itself. Raises NotFound."""
    query = select(Dispute.customer_id).where(Dispute.dispute_id == dispute_id)
    if (limited_to := tenant()) is not None:
        query = query.where(Dispute.customer_id == limited_to)
    owner = session.scalar(query)
    if owner is None:
        raise NotFound(f"no dispute {dispute_id} is stored")
    return owner


def list_disputes(
    session: Session, filters: DisputeFilter, after: DisputeKey | None, limit: int
) -> list[FoundDispute]:
    """At most `limit` disputes behind `after`, newest first."""
    query = (
        select(Dispute).order_by(Dispute.opened_at.desc(), Dispute.dispute_id.desc()).limit(limit)
    )
    if filters.customer_id is not None:
        query = query.where(Dispute.customer_id == filters.customer_id)
    if filters.status is not None:
        query = query.where(Dispute.status == filters.status)
    if filters.period is not None:
        stands_on = exists().where(
            DisputeLine.customer_id == Dispute.customer_id,
            DisputeLine.dispute_id == Dispute.dispute_id,
            BillingReport.customer_id == DisputeLine.customer_id,
            BillingReport.report_id == DisputeLine.report_id,
            BillingReport.period == filters.period.start,
        )
        on_draft = {
            line.dispute_id
            for line in disputed_draft_lines(session, filters.customer_id)
            if line.report_period == filters.period.start
        }
        query = query.where(or_(stands_on, Dispute.dispute_id.in_(on_draft)))
    if after is not None:
        query = query.where(tuple_(Dispute.opened_at, Dispute.dispute_id) < tuple_(*after))
    return _with_lines(session, query)


def disputes_of_lead(session: Session, customer_id: UUID, lead_id: UUID) -> list[FoundDispute]:
    """All disputes of a lead and of its lines, oldest first."""
    return disputes_of_leads(session, customer_id, [lead_id])


def disputes_of_leads(
    session: Session, customer_id: UUID, lead_ids: Collection[UUID]
) -> list[FoundDispute]:
    """All disputes of some leads of a customer and of their lines, oldest first."""
    query = (
        select(Dispute)
        .where(Dispute.customer_id == customer_id, Dispute.lead_id.in_(lead_ids))
        .order_by(Dispute.opened_at, Dispute.dispute_id)
    )
    return _with_lines(session, query)


def disputed_actions(session: Session, customer: str, action_ids: Collection[str]) -> set[str]:
    """Those of some of a customer's actions whose line has an open or accepted dispute."""
    query = select(DisputeLine.action_id).where(
        DisputeLine.customer_id == identifiers.customer_id(customer),
        DisputeLine.action_id.in_(action_ids),
        DisputeLine.status != DisputeStatus.REJECTED,
    )
    return {str(action_id) for action_id in session.scalars(query)}


def is_credit_of_line() -> ColumnElement[bool]:
    return and_(
        BillingReportCredit.customer_id == DisputeLine.customer_id,
        BillingReportCredit.of_report_id == DisputeLine.report_id,
        BillingReportCredit.of_line_number == DisputeLine.line_number,
        BillingReportCredit.dispute_id == DisputeLine.dispute_id,
    )


def _with_lines(session: Session, query: Select[Any]) -> list[FoundDispute]:
    """The disputes that `query` selects, each with its customer and lead, and their lines."""
    rows = session.execute(
        query.add_columns(Customer.external_id, Lead.external_id, _has_draft_lines())
        .join(Customer, Customer.customer_id == Dispute.customer_id)
        .join(
            Lead,
            and_(Lead.customer_id == Dispute.customer_id, Lead.lead_id == Dispute.lead_id),
        )
    ).all()
    lines = defaultdict(list)
    owners = {dispute.customer_id for dispute, *_ in rows}
    drafts = [dispute.dispute_id for dispute, *_, has_draft_lines in rows if has_draft_lines]
    for row in _disputed_lines(session, owners, [dispute.dispute_id for dispute, *_ in rows]):
        place = None
        if row.credited_on is not None:
            place = CreditPlace(Period(row.credited_on), ReportStatus.FINAL)
        elif row.status is DisputeStatus.ACCEPTED and row.amount_cents:
            place = CreditPlace(Period(first_open_month(row.closed_through)), ReportStatus.DRAFT)
        lines[row.dispute_id].append(
            LineInDispute(
                row.report_id,
                Period(row.period),
                ReportStatus.FINAL,
                row.line_number,
                row.action_id,
                row.action_type,
                row.engagement_level.value,
                row.timestamp,
                row.amount_cents,
                place,
            )
        )
    owner = next(iter(owners)) if len(owners) == 1 else None
    for line in disputed_draft_lines(session, owner, drafts) if drafts else []:
        lines[line.dispute_id].append(_line_of_draft(line))
    return [
        FoundDispute(dispute, customer, lead, lines[dispute.dispute_id])
        for dispute, customer, lead, _ in rows
    ]


def _has_draft_lines() -> ColumnElement[bool]:
    return exists().where(
        DisputeLine.customer_id == Dispute.customer_id,
        DisputeLine.dispute_id == Dispute.dispute_id,
        DisputeLine.report_id.is_(None),
    )


def _line_of_draft(line: DisputedDraftLine) -> LineInDispute:
    month = Period(line.report_period)
    is_credited = line.status is DisputeStatus.ACCEPTED and line.billed_cents > 0
    return LineInDispute(
        identifiers.report_id(line.customer_id, str(month)),
        month,
        ReportStatus.DRAFT,
        None,
        line.action_id,
        line.action_type,
        line.engagement_level.value,
        line.timestamp,
        line.billed_cents,
        CreditPlace(month, ReportStatus.DRAFT) if is_credited else None,
    )


def _disputed_lines(
    session: Session, owners: set[UUID], dispute_ids: list[UUID]
) -> Iterable[Row[Any]]:
    if not dispute_ids:
        return []
    credited = aliased(BillingReport)
    query = (
        select(
            DisputeLine.dispute_id,
            DisputeLine.status,
            DisputeLine.report_id,
            DisputeLine.line_number,
            DisputeLine.action_id,
            DisputeLine.amount_cents,
            BillingReport.period,
            BillingReportLine.action_type,
            BillingReportLine.engagement_level,
            BillingReportLine.timestamp,
            credited.period.label("credited_on"),
            Customer.closed_through,
        )
        .join(Customer, Customer.customer_id == DisputeLine.customer_id)
        .join(
            BillingReport,
            and_(
                BillingReport.customer_id == DisputeLine.customer_id,
                BillingReport.report_id == DisputeLine.report_id,
            ),
        )
        .join(
            BillingReportLine,
            and_(
                BillingReportLine.customer_id == DisputeLine.customer_id,
                BillingReportLine.report_id == DisputeLine.report_id,
                BillingReportLine.line_number == DisputeLine.line_number,
                DisputeLine.line_number.between(
                    BillingReportLine.block_first_line, BillingReportLine.block_last_line
                ),
            ),
        )
        .outerjoin(BillingReportCredit, is_credit_of_line())
        .outerjoin(
            credited,
            and_(
                credited.customer_id == BillingReportCredit.customer_id,
                credited.report_id == BillingReportCredit.report_id,
            ),
        )
        .where(DisputeLine.customer_id.in_(owners), DisputeLine.dispute_id.in_(dispute_ids))
        .order_by(BillingReport.period, DisputeLine.line_number)
    )
    return session.execute(query)
