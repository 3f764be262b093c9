"""Verifying a final report: comparing it with its lines, and with the actions they come from.

Invariant: nothing here writes, and everything that differs is named (docs/verification.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from common import identifiers
from common.closing.close_period import PLANNED_WITHOUT
from common.database.prepared import PreparedStatement
from common.database.sql_loader import load_statement
from common.final_reports.models import BillingReport, BillingReportLineBlock, ReportSeal
from common.proof.checking import differing_seal
from common.rating.line import LINES_AT_ONCE
from common.rating.periods import RatingScope
from common.settings import settings

_MAX_DIFFERENCES = 100  # of each kind, that are named
_VERIFY = PreparedStatement(
    "verify_report", load_statement("closing", "verify_report"), PLANNED_WITHOUT
)
_NAMES_ON_REPORT = text(load_statement("closing", "names_on_report"))


@dataclass(frozen=True, slots=True)
class DifferingLine:
    """A line that is not what was closed."""

    line_number: int
    lead: str | None
    action_id: str | None
    is_changed: bool
    is_rated_otherwise: bool

    @property
    def detail(self) -> str:
        if self.action_id is None:
            return "is missing"
        if not self.is_changed and not self.is_rated_otherwise:
            return "stands in the place of another line"
        if not self.is_changed:
            return "differs from its action, which was rated again"
        if not self.is_rated_otherwise:
            return "agrees with its action, but not with its hash"
        return "was changed: it agrees neither with its hash nor with its action, rated again"


@dataclass(frozen=True, slots=True)
class Verification:
    """How a final report compares with its lines and credits, and with what these come from."""

    content_hash: str
    stored_hash: str
    rated_hash: str
    previous_hash: str | None
    hash_before: str | None
    line_count: int
    fields: list[str]
    differing_count: int
    lines: list[DifferingLine]
    credits: list[int]
    names: list[str]
    is_signed: bool
    proof: list[str]

    @property
    def is_verified(self) -> bool:
        return (
            self.content_hash == self.stored_hash == self.rated_hash
            and self.previous_hash == self.hash_before
            and not self.fields
            and not self.differing_count
            and not self.credits
            and not self.names
            and not self.proof
        )

    @property
    def detail(self) -> str:
        if self.is_verified:
            return "the report is what was closed" + (
                ", signed and unchanged" if self.is_signed else "; it is not signed"
            )
        parts = []
        if self.differing_count:
            parts.append(f"{self.differing_count} lines differ")
        if self.credits:
            parts.append(f"credits differ: {', '.join(map(str, self.credits))}")
        if self.names:
            parts.append(f"leads or products have other names: {', '.join(self.names)}")
        if self.fields:
            parts.append(f"fields differ: {', '.join(self.fields)}")
        parts += self.proof
        if self.previous_hash != self.hash_before:
            parts.append("the report before it is not the one that it was closed after")
        return "; ".join(parts) or "the report does not agree with its hash"


def verify_report(session: Session, report: BillingReport) -> Verification:
    """Hashes a final report again from its stored lines, and once more from their actions.

    The actions are rated again as of the month when the report was closed (docs/verification.md).
    """
    months = select(BillingReportLineBlock.period).where(
        BillingReportLineBlock.customer_id == report.customer_id,
        BillingReportLineBlock.report_id == report.report_id,
    )
    periods = {report.period, *session.scalars(months.distinct())}
    scope = RatingScope([(report.customer_id, period) for period in periods], as_of=report.period)
    row = _VERIFY.execute(
        session,
        scope.parameters()
        | {
            "customer_id": str(report.customer_id),
            "report_id": str(report.report_id),
            "period": report.period,
            "max_differences": _MAX_DIFFERENCES,
        },
    ).one_or_none()
    if row is None:
        lost = "its customer or its rate card is not there"
        empty = ("",) * 3
        return Verification(*empty, None, None, 0, [], 0, [], [], [], is_signed=False, proof=[lost])
    return Verification(
        row.content_hash,
        row.stored_hash,
        row.rated_hash,
        row.previous_hash,
        row.hash_before,
        row.line_count,
        row.fields,
        row.differing_count,
        [DifferingLine(**line) for line in row.differing],
        row.differing_credits,
        list(islice(_changed_names(session, report), _MAX_DIFFERENCES)),
        session.get(ReportSeal, (report.customer_id, report.report_id)) is not None,
        differing_seal(session, report, settings()),
    )


def _changed_names(session: Session, report: BillingReport) -> Iterator[str]:
    """The names on a report that do not give the UUID which the lines are hashed with."""
    for is_lead, entity_id, name in session.execute(
        _NAMES_ON_REPORT,
        {"customer_id": str(report.customer_id), "report_id": str(report.report_id)},
        execution_options={"stream_results": True, "yield_per": LINES_AT_ONCE},
    ):
        own_id = (
            identifiers.lead_id(report.customer_id, name)
            if is_lead
            else identifiers.product_id(name)
        )
        if own_id != entity_id:
            yield name
