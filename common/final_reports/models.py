"""The tables of final reports, and of the billing runs that make them."""

import uuid
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Text,
    column,
    func,
    select,
    table,
    text,
    true,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import (
    LEVEL,
    Base,
    ByteOrdered,
    OfCustomer,
    View,
    reference,
    refers_to,
    stored_at,
)
from common.database.transactions import tenant
from common.enums import EngagementLevel, Outcome


class LateAction(Base):
    """An action of a closed month that no final report has a line of, until one is closed with it.

    Marked by the statement that stores the action (common/leads/sql/ingest_leads.sql).
    """

    __tablename__ = "late_actions"

    customer_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, info=refers_to("customers.customer_id")
    )
    period: Mapped[date] = mapped_column(primary_key=True)
    lead_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, info=refers_to("leads.lead_id"))
    action_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class BillingRun(Base):
    """One run over customers that closes a period: who started it, and what came of it."""

    __tablename__ = "billing_runs"

    run_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    period: Mapped[date]
    actor: Mapped[str]
    started_at: Mapped[datetime] = stored_at()
    finished_at: Mapped[datetime | None]
    closed: Mapped[int] = mapped_column(server_default=text("0"))
    already_closed: Mapped[int] = mapped_column(server_default=text("0"))
    failed: Mapped[int] = mapped_column(server_default=text("0"))
    due_cents: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class ParkedCustomer(Base):
    """A customer whose period could not be closed, with the reason, until a run closes it."""

    __tablename__ = "parked_customers"

    customer_id: Mapped[OfCustomer]
    period: Mapped[date] = mapped_column(primary_key=True)
    run_id: Mapped[uuid.UUID] = mapped_column(reference("billing_runs.run_id"))
    reason: Mapped[str]
    parked_at: Mapped[datetime] = stored_at()


class StatementNumber(Base):
    """The last number that an issuer gave a statement. Its row serialises closing."""

    __tablename__ = "statement_numbers"

    issuer: Mapped[str] = mapped_column(primary_key=True)
    last_number: Mapped[int] = mapped_column(BigInteger)


class ReportSeal(Base):
    """A final report's signature, its leaf in the tree of all final reports, and what it stands on.

    Made after the report was closed (common/proof/sealing.py).
    """

    __tablename__ = "report_seals"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    leaf_index: Mapped[int] = mapped_column(BigInteger)
    head_number: Mapped[int] = mapped_column(reference("signed_heads.head_number"))
    facts: Mapped[dict[str, Any]]
    signature: Mapped[str]


_HEADS = table("signed_heads", column("head_number"), column("statement"))


class BillingReport(Base):
    """A final report: one customer's closed period. A draft is computed and never stored.

    Names are kept as they were when it was closed.
    """

    __tablename__ = "billing_reports"

    customer_id: Mapped[OfCustomer]
    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    run_id: Mapped[uuid.UUID] = mapped_column(reference("billing_runs.run_id"))
    customer_name: Mapped[str]
    period: Mapped[date]
    timezone: Mapped[str]
    rate_card_id: Mapped[uuid.UUID] = mapped_column(reference("rate_cards.rate_card_id"))
    product_names: Mapped[dict[str, Any]]
    lead_count: Mapped[int]
    action_count: Mapped[int]
    prior_action_count: Mapped[int]
    gross_cents: Mapped[int] = mapped_column(BigInteger)
    billed_cents: Mapped[int] = mapped_column(BigInteger)
    duplicate_cents: Mapped[int] = mapped_column(BigInteger)
    cap_cents: Mapped[int] = mapped_column(BigInteger)
    prior_billed_cents: Mapped[int] = mapped_column(BigInteger)
    credit_count: Mapped[int] = mapped_column(server_default=text("0"))
    credit_cents: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    due_cents: Mapped[int] = mapped_column(BigInteger)
    document_type: Mapped[str]
    number: Mapped[str]
    issue_date: Mapped[date]
    payment_terms_days: Mapped[int]
    due_date: Mapped[date]
    issuer: Mapped[str]
    issuer_address: Mapped[str | None]
    issuer_tax_id: Mapped[str | None]
    customer_address: Mapped[str | None]
    customer_tax_id: Mapped[str | None]
    unit_prices: Mapped[list[Any]] = mapped_column(JSONB)
    previous_hash: Mapped[str | None]
    hash_version: Mapped[int] = mapped_column(server_default=text("1"))
    header: Mapped[list[Any]] = mapped_column(JSONB)
    content_hash: Mapped[str]
    finalized_at: Mapped[datetime] = stored_at()


_OF_REPORT = (
    ReportSeal.customer_id == BillingReport.customer_id,
    ReportSeal.report_id == BillingReport.report_id,
)
_SIGNATURE = (
    select(ReportSeal.signature).where(*_OF_REPORT).correlate_except(ReportSeal).scalar_subquery()
)
# As `short_form` of common/proof/heads.py has it.
_HEAD = (
    select(
        func.concat(
            _HEADS.c.head_number,
            "-",
            func.left(
                func.encode(func.sha256(func.convert_to(_HEADS.c.statement, "UTF8")), "hex"), 16
            ),
        )
    )
    .select_from(ReportSeal)
    .join(_HEADS, _HEADS.c.head_number == ReportSeal.head_number)
    .where(*_OF_REPORT)
    .correlate_except(ReportSeal, _HEADS)
    .scalar_subquery()
)


class SealedReport(NamedTuple):
    """The signature of a final report, and the first head with it; None before it is sealed."""

    signature: str | None = None
    head: str | None = None


SEAL_COLUMNS = (_SIGNATURE, _HEAD)  # to be selected beside a `BillingReport`
NOT_SEALED = SealedReport()


class BillingReportLineBlock(Base):
    """Up to 250 lines of a final report, of one month, column beside column. Never changes.

    Half the time of one row per line; in return, constraints can check few things
    (docs/decisions/0012). Read through `BillingReportLine`.
    """

    __tablename__ = "billing_report_line_blocks"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    first_line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_line: Mapped[int]
    period: Mapped[date]
    first_timestamp: Mapped[datetime]
    last_timestamp: Mapped[datetime]
    cap_limit_cents: Mapped[int]
    lead_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(UUID()))
    action_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(UUID()))
    product_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(UUID()))
    user_keys: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(UUID()))
    lead_types: Mapped[list[str]] = mapped_column(ARRAY(ByteOrdered))
    action_types: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    engagement_levels: Mapped[list[EngagementLevel]] = mapped_column(ARRAY(LEVEL))
    timestamps: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)))
    gross_cents: Mapped[list[int]] = mapped_column(ARRAY(Integer()))
    billed_cents: Mapped[list[int]] = mapped_column(ARRAY(Integer()))
    cap_used_before_cents: Mapped[list[int]] = mapped_column(ARRAY(Integer()))
    rates: Mapped[list[str | None]] = mapped_column(ARRAY(Text()))
    duplicate_of_lead_ids: Mapped[list[uuid.UUID | None]] = mapped_column(ARRAY(UUID()))
    duplicate_of_action_ids: Mapped[list[uuid.UUID | None]] = mapped_column(ARRAY(UUID()))
    duplicate_of_timestamps: Mapped[list[datetime | None]] = mapped_column(
        ARRAY(DateTime(timezone=True))
    )
    block_hash: Mapped[bytes]


class BillingReportLine(View):
    """One rated action of a final report, as it was rated: a line of a block.

    Where few lines are wanted, `block_...` lets PostgreSQL leave other blocks alone.
    """

    __tablename__ = "billing_report_lines"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    line_number: Mapped[int] = mapped_column(primary_key=True)
    period: Mapped[date]
    lead_id: Mapped[uuid.UUID]
    action_id: Mapped[uuid.UUID]
    product_id: Mapped[uuid.UUID]
    user_key: Mapped[uuid.UUID]
    lead_type: Mapped[str]
    action_type: Mapped[str]
    engagement_level: Mapped[EngagementLevel]
    timestamp: Mapped[datetime]
    outcome: Mapped[Outcome]
    gross_cents: Mapped[int]
    billed_cents: Mapped[int]
    duplicate_cents: Mapped[int]
    cap_cents: Mapped[int]
    cap_limit_cents: Mapped[int]
    cap_used_before_cents: Mapped[int]
    duplicate_of_lead_id: Mapped[uuid.UUID | None]
    duplicate_of_action_id: Mapped[uuid.UUID | None]
    duplicate_of_timestamp: Mapped[datetime | None]
    rate: Mapped[str]
    block_first_line: Mapped[int]
    block_last_line: Mapped[int]
    block_first_timestamp: Mapped[datetime]
    block_last_timestamp: Mapped[datetime]


class BillingReportCredit(Base):
    """A credit on a final report: what a line of an earlier one had billed. Once per line."""

    __tablename__ = "billing_report_credits"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    credit_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    dispute_id: Mapped[uuid.UUID]
    of_report_id: Mapped[uuid.UUID]
    of_line_number: Mapped[int]
    amount_cents: Mapped[int]
    credit_hash: Mapped[bytes]


class BillingReportLeadTotals(Base):
    """What the lines of a final report's own month come to for each lead, side by side.

    User names are read from the leads on each request, not stored here.
    """

    __tablename__ = "billing_report_lead_totals"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    lead_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(UUID()))
    user_keys: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(UUID()))
    product_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(UUID()))
    lead_types: Mapped[list[str]] = mapped_column(ARRAY(ByteOrdered))
    gross_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    billed_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    duplicate_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    cap_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    action_counts: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))


def run_is_shown() -> ColumnElement[bool]:
    """Whether a request may show a billing run: a tenant is shown those that were about it."""
    owner = tenant()
    if owner is None:
        return true()
    about_tenant = (
        select(source.run_id).where(source.customer_id == owner)
        for source in (BillingReport, ParkedCustomer)
    )
    return BillingRun.run_id.in_(union(*about_tenant))
