"""Disputes: what a customer does not want to pay, what came of it, and the credits it gives.

Invariant: a line of a final report is credited once at most, with what it had billed, on the first
report that is closed after its dispute was accepted (rules.md, "Closing a period"). Whatever
changes a dispute does so under the lock under which its customer's months are closed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.resources import files
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    exists,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.orm import Session, aliased

from common import deciding, identifiers
from common.billing import Credit, DisputeReason, DisputeStatus, Period, ReportStatus
from common.database.locks import lock_customer
from common.final_reports.store import closed_through
from common.models import (
    Action,
    BillingReport,
    BillingReportCredit,
    BillingReportLine,
    Customer,
    Dispute,
    DisputedLine,
    Lead,
    RateCard,
)
from common.problems import Conflict, FieldError, Invalid, NotFound
from common.request_model import NO_NUL, Id, RequestModel

LONGEST_NOTE = 1_000
_MOST_ERRORS = 100

Note = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NOTE, pattern=NO_NUL),
]
Actor = Annotated[Id, Field(description="Who asks for it.")]
Reason = Literal["duplicate", "invalid_contact", "out_of_area", "spam", "not_requested", "other"]


class NewDispute(RequestModel):
    """One billed line of a final report, or all of a lead: those of each of its final lines."""

    lead_id: Id
    action_id: Annotated[
        UUID | None, Field(description="The line's; without it the whole lead is disputed.")
    ] = None
    reason: Reason
    note: Annotated[
        Note | None,
        Field(validate_default=True, description="Needed where the reason is `other`."),
    ] = None
    actor: Actor = "api"

    @field_validator("note")
    @classmethod
    def _other_says_what(cls, note: str | None, info: ValidationInfo) -> str | None:
        if note is None and info.data.get("reason") == "other":
            raise PydanticCustomError("missing_note", "is required where the reason is `other`")
        return note


class Decision(RequestModel):
    """Who accepts or rejects a dispute, and why."""

    note: Note | None = None
    actor: Actor = "api"


@dataclass(frozen=True, slots=True)
class DisputeFilter:
    """Which disputes are wanted; what is None does not narrow.

    `period`: the month of a report on which a disputed line stands.
    """

    customer_id: UUID | None = None
    status: DisputeStatus | None = None
    period: Period | None = None


class DisputeKey(NamedTuple):
    """Where a dispute stands in the list."""

    opened_at: datetime
    dispute_id: UUID


@dataclass(frozen=True, slots=True)
class CreditPlace:
    """The report on which a credit stands: the draft of the first open month until it is closed."""

    period: Period
    status: ReportStatus


@dataclass(frozen=True, slots=True)
class LineInDispute:
    """A disputed line: where it stands, what it billed, and where that is credited, if it is."""

    report_id: UUID
    report_period: Period
    line_number: int
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


def open_dispute(connection: Connection, asked: NewDispute, now: datetime) -> FoundDispute:
    """Stores a dispute of a line, or of each line of a lead that can be disputed.

    A line can be, if it is final, billed something, has no dispute that is open or was accepted,
    and if the window of its report's rate card is not over. Raises Invalid for a lead or action
    that is not stored, and Conflict where no line is left.
    """
    lead = Session(connection).get(Lead, identifiers.lead_id(asked.lead_id))
    if lead is None:
        raise Invalid(
            "the dispute was refused",
            [FieldError("/lead_id", "unknown_lead", "no such lead is stored")],
        )
    # In a statement of its own: the next one's snapshot must come after the wait.
    lock_customer(connection, lead.customer_id)
    lines = _final_lines(connection, lead, asked.action_id)
    if asked.action_id is not None and not lines:
        raise _not_on_a_final_report(connection, lead.lead_id, asked.action_id)
    refusals = {line.action_id: line.refusal(now, asked.action_id) for line in lines}
    wanted = [line for line in lines if refusals[line.action_id] is None]
    if not wanted:
        errors = [each for each in refusals.values() if each is not None] or [_DRAFT_LEAD]
        raise Conflict(
            f"nothing of lead {asked.lead_id!r} can be disputed: {errors[0].detail}"
            if asked.action_id is None
            else f"the line cannot be disputed: it {errors[0].detail}",
            errors[:_MOST_ERRORS],
        )
    dispute_id = connection.execute(
        insert(Dispute)
        .values(
            customer_id=lead.customer_id,
            lead_id=lead.lead_id,
            reason=DisputeReason(asked.reason),
            note=asked.note,
            opened_by=asked.actor,
            opened_at=now,
        )
        .returning(Dispute.dispute_id)
    ).scalar_one()
    connection.execute(
        insert(DisputedLine),
        [
            {
                "dispute_id": dispute_id,
                "report_id": line.report_id,
                "line_number": line.line_number,
                "action_id": line.action_id,
                "amount_cents": line.billed_cents,
            }
            for line in wanted
        ],
    )
    return dispute(connection, dispute_id)


def decide(
    connection: Connection,
    dispute_id: UUID,
    status: Literal[DisputeStatus.ACCEPTED, DisputeStatus.REJECTED],
    decision: Decision,
    now: datetime,
) -> FoundDispute:
    """Accepts or rejects a dispute; once more in the same way changes nothing.

    Its lines are credited on the customer's first report that is closed from now on. Raises
    NotFound, and Conflict where it was decided the other way.
    """
    owner = connection.scalar(select(Dispute.customer_id).where(Dispute.dispute_id == dispute_id))
    if owner is None:
        raise _not_stored(dispute_id)
    # In a statement of its own: the next one's snapshot must come after the wait.
    lock_customer(connection, owner)
    stands = connection.execute(
        select(Dispute.status).where(Dispute.dispute_id == dispute_id)
    ).scalar_one()
    if stands is DisputeStatus.OPEN:
        connection.execute(
            update(Dispute)
            .where(Dispute.dispute_id == dispute_id)
            .values(
                status=status,
                decided_by=decision.actor,
                decision_note=decision.note,
                decided_at=now,
            )
        )
    elif stands is not status:
        raise Conflict(
            f"the dispute was {stands} before",
            [FieldError("/status", "already_decided", f"is {stands} for ever")],
        )
    return dispute(connection, dispute_id)


def dispute(connection: Connection, dispute_id: UUID) -> FoundDispute:
    """Raises NotFound."""
    stored = Session(connection).get(Dispute, dispute_id)
    if stored is None:
        raise _not_stored(dispute_id)
    return _with_lines(connection, [stored])[0]


def disputes(
    connection: Connection, wanted: DisputeFilter, after: DisputeKey | None, most: int
) -> list[FoundDispute]:
    """At most `most` disputes, the newest first, from behind `after` on."""
    query = (
        select(Dispute).order_by(Dispute.opened_at.desc(), Dispute.dispute_id.desc()).limit(most)
    )
    if wanted.customer_id is not None:
        query = query.where(Dispute.customer_id == wanted.customer_id)
    if wanted.status is not None:
        query = query.where(Dispute.status == wanted.status)
    if wanted.period is not None:
        stands_on = exists().where(
            DisputedLine.dispute_id == Dispute.dispute_id,
            BillingReport.report_id == DisputedLine.report_id,
            BillingReport.period == wanted.period.start,
        )
        query = query.where(stands_on)
    if after is not None:
        query = query.where(tuple_(Dispute.opened_at, Dispute.dispute_id) < tuple_(*after))
    return _with_lines(connection, list(Session(connection).scalars(query)))


def disputes_of_lead(connection: Connection, lead_id: UUID) -> list[FoundDispute]:
    """Every dispute of a lead or of one of its lines, the oldest first."""
    query = (
        select(Dispute)
        .where(Dispute.lead_id == lead_id)
        .order_by(Dispute.opened_at, Dispute.dispute_id)
    )
    return _with_lines(connection, list(Session(connection).scalars(query)))


_PENDING = text(
    f"""
with {files("common").joinpath("sql", "pending_credits.sql").read_text()}

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
        select(Dispute.customer_id, func.sum(DisputedLine.amount_cents).label("cents"))
        .join(DisputedLine, DisputedLine.dispute_id == Dispute.dispute_id)
        .outerjoin(BillingReportCredit, _is_credit_of_line())
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
from disputed_lines as disputed
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


def _not_stored(dispute_id: UUID) -> NotFound:
    return NotFound(f"no dispute {dispute_id} is stored")


_DRAFT_LEAD = FieldError(
    "/lead_id", "line_not_final", "it has no final line yet: wait until its month is closed"
)


class _Line(NamedTuple):
    """A final line, with what says whether it can be disputed."""

    action_id: UUID
    report_id: UUID
    line_number: int
    period: date
    billed_cents: int
    finalized_at: datetime
    window_days: int
    standing: DisputeStatus | None

    def refusal(self, now: datetime, named: UUID | None) -> FieldError | None:
        """Why it cannot be disputed, where it cannot; `named`: the action that was asked for."""
        window_ends = self.finalized_at + timedelta(days=self.window_days)
        if self.billed_cents == 0:
            code, detail = "nothing_billed", "billed nothing"
        elif self.standing is DisputeStatus.ACCEPTED:
            code, detail = "already_credited", "was disputed before, which was accepted"
        elif self.standing is DisputeStatus.OPEN:
            code, detail = "already_disputed", "is disputed already"
        elif now >= window_ends:
            code, detail = (
                "dispute_window_over",
                f"could be disputed for {self.window_days} days after its report of "
                f"{Period(self.period)} was closed, until {window_ends:%Y-%m-%d %H:%M} UTC",
            )
        else:
            return None
        if named is not None:
            return FieldError("/action_id", code, detail)
        return FieldError("/lead_id", code, f"its action {self.action_id} {detail}")


def _final_lines(connection: Connection, lead: Lead, action_id: UUID | None) -> list[_Line]:
    periods = deciding.lead_periods(connection, lead.lead_id)
    first, last = (
        select(of_all(Action.timestamp)).where(Action.lead_id == lead.lead_id).scalar_subquery()
        for of_all in (func.min, func.max)
    )
    query = (
        select(
            BillingReportLine.action_id,
            BillingReportLine.report_id,
            BillingReportLine.line_number,
            BillingReport.period,
            BillingReportLine.billed_cents,
            BillingReport.finalized_at,
            RateCard.dispute_window_days,
            DisputedLine.status,
        )
        .join(BillingReport, BillingReport.report_id == BillingReportLine.report_id)
        .join(RateCard, RateCard.rate_card_id == BillingReport.rate_card_id)
        .outerjoin(
            DisputedLine,
            and_(
                DisputedLine.report_id == BillingReportLine.report_id,
                DisputedLine.line_number == BillingReportLine.line_number,
                DisputedLine.status != DisputeStatus.REJECTED,
            ),
        )
        .where(
            BillingReportLine.customer_id == lead.customer_id,
            BillingReportLine.period.in_(periods),
            BillingReportLine.lead_id == lead.lead_id,
            BillingReportLine.block_last_timestamp >= first,
            BillingReportLine.block_first_timestamp <= last,
        )
        .order_by(BillingReport.period, BillingReportLine.line_number)
    )
    if action_id is not None:
        query = query.where(BillingReportLine.action_id == action_id)
    return [_Line(*row) for row in connection.execute(query)]


def _not_on_a_final_report(
    connection: Connection, lead_id: UUID, action_id: UUID
) -> Invalid | Conflict:
    of_lead = exists().where(Action.lead_id == lead_id, Action.action_id == action_id)
    if not connection.scalar(select(of_lead)):
        error = FieldError("/action_id", "unknown_action", "the lead has no such action")
        return Invalid("the dispute was refused", [error])
    error = FieldError("/action_id", "line_not_final", "stands on a draft")
    return Conflict(
        "the line stands on a draft and can be disputed when its month is closed", [error]
    )


def _is_credit_of_line() -> ColumnElement[bool]:
    return and_(
        BillingReportCredit.of_report_id == DisputedLine.report_id,
        BillingReportCredit.of_line_number == DisputedLine.line_number,
        BillingReportCredit.dispute_id == DisputedLine.dispute_id,
    )


def _with_lines(connection: Connection, found: list[Dispute]) -> list[FoundDispute]:
    ids = [each.dispute_id for each in found]
    names = {
        row.dispute_id: (row.customer, row.lead)
        for row in connection.execute(
            select(
                Dispute.dispute_id,
                Customer.external_id.label("customer"),
                Lead.external_id.label("lead"),
            )
            .join(Customer, Customer.customer_id == Dispute.customer_id)
            .join(Lead, Lead.lead_id == Dispute.lead_id)
            .where(Dispute.dispute_id.in_(ids))
        )
    }
    through = {
        owner: closed_through(connection, owner)
        for owner in {each.customer_id for each in found if each.status is DisputeStatus.ACCEPTED}
    }
    first_open = {owner: Period(Period(last).end) for owner, last in through.items() if last}
    lines = defaultdict(list)
    for row in _disputed_lines(connection, ids):
        place = None
        if row.credited_on is not None:
            place = CreditPlace(Period(row.credited_on), ReportStatus.FINAL)
        elif row.status is DisputeStatus.ACCEPTED:
            place = CreditPlace(first_open[row.customer_id], ReportStatus.DRAFT)
        lines[row.dispute_id].append(
            LineInDispute(
                row.report_id,
                Period(row.period),
                row.line_number,
                row.action_id,
                row.action_type,
                row.engagement_level.value,
                row.timestamp,
                row.amount_cents,
                place,
            )
        )
    return [FoundDispute(each, *names[each.dispute_id], lines[each.dispute_id]) for each in found]


def _disputed_lines(connection: Connection, dispute_ids: list[UUID]) -> Iterable[Row[Any]]:
    credited = aliased(BillingReport)
    query = (
        select(
            DisputedLine.dispute_id,
            DisputedLine.status,
            DisputedLine.report_id,
            DisputedLine.line_number,
            DisputedLine.action_id,
            DisputedLine.amount_cents,
            BillingReport.customer_id,
            BillingReport.period,
            BillingReportLine.action_type,
            BillingReportLine.engagement_level,
            BillingReportLine.timestamp,
            credited.period.label("credited_on"),
        )
        .join(BillingReport, BillingReport.report_id == DisputedLine.report_id)
        .join(
            BillingReportLine,
            and_(
                BillingReportLine.report_id == DisputedLine.report_id,
                BillingReportLine.line_number == DisputedLine.line_number,
                DisputedLine.line_number.between(
                    BillingReportLine.block_first_line, BillingReportLine.block_last_line
                ),
            ),
        )
        .outerjoin(BillingReportCredit, _is_credit_of_line())
        .outerjoin(credited, credited.report_id == BillingReportCredit.report_id)
        .where(DisputedLine.dispute_id.in_(dispute_ids))
        .order_by(BillingReport.period, DisputedLine.line_number)
    )
    return connection.execute(query)
