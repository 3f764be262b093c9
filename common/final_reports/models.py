"""The tables of final reports, and of the billing runs that make them."""

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import LEVEL, Base, ByteOrdered, View, refers_to, shared, stored_at
from common.enums import EngagementLevel, Outcome


class LateAction(Base):
    """An action of a closed month that no final report has a line of, until one is closed with it.

    Marked by the statement that stores the action (common/leads/sql/ingest_leads.sql).
    """

    __tablename__ = "late_actions"

    customer_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, info=refers_to("customers.customer_id")
    )
    period: Mapped[date] = mapped_column(primary_key=True, comment="the closed month it belongs to")
    lead_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, info=refers_to("leads.lead_id"))
    action_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


def _adds_up(prefix: str = "") -> tuple[CheckConstraint, CheckConstraint]:
    gross, billed, duplicate, cap = (
        f"{prefix}{part}_cents" for part in ("gross", "billed", "duplicate", "cap")
    )
    return (
        CheckConstraint(f"{gross} = {billed} + {duplicate} + {cap}", f"{prefix}adds_up"),
        CheckConstraint(f"least({billed}, {duplicate}, {cap}) >= 0", f"{prefix}is_not_negative"),
    )


class BillingRun(Base):
    """One run over customers that closes a period: who started it, and what came of it."""

    __tablename__ = "billing_runs"
    __table_args__ = shared("a run closes a period of many customers")

    run_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    period: Mapped[date]
    actor: Mapped[str] = mapped_column(comment="who or what asked for it")
    started_at: Mapped[datetime] = stored_at()
    finished_at: Mapped[datetime | None] = mapped_column(comment="null: running, or cut short")
    closed: Mapped[int] = mapped_column(server_default=text("0"))
    already_closed: Mapped[int] = mapped_column(server_default=text("0"))
    failed: Mapped[int] = mapped_column(server_default=text("0"))
    due_cents: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class ParkedCustomer(Base):
    """A customer whose period could not be closed, with the reason, until a run closes it."""

    __tablename__ = "parked_customers"

    customer_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT"), primary_key=True
    )
    period: Mapped[date] = mapped_column(primary_key=True)
    run_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("billing_runs.run_id", ondelete="RESTRICT")
    )
    reason: Mapped[str]
    parked_at: Mapped[datetime] = stored_at()


class BillingReport(Base):
    """A final report: one customer's closed period. A draft is computed and never stored.

    Names are kept as they were when it was closed.
    """

    __tablename__ = "billing_reports"
    __table_args__ = (
        UniqueConstraint("customer_id", "period"),
        CheckConstraint("extract(day from period) = 1", "period_starts_a_month"),
        *_adds_up(),
    )

    customer_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT"), primary_key=True
    )
    report_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, comment="derived from customer_id and period: unique by itself too"
    )
    run_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("billing_runs.run_id", ondelete="RESTRICT")
    )
    customer_name: Mapped[str]
    period: Mapped[date] = mapped_column(comment="first day of the month, in `timezone`")
    timezone: Mapped[str] = mapped_column(comment="the customer's IANA time zone when closed")
    rate_card_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("rate_cards.rate_card_id", ondelete="RESTRICT")
    )
    product_names: Mapped[dict[str, Any]] = mapped_column(comment="by product id")
    lead_count: Mapped[int] = mapped_column(comment="of this period's lines")
    action_count: Mapped[int]
    prior_action_count: Mapped[int] = mapped_column(comment="of prior-period lines")
    gross_cents: Mapped[int] = mapped_column(BigInteger, comment="of this period's lines")
    billed_cents: Mapped[int] = mapped_column(BigInteger)
    duplicate_cents: Mapped[int] = mapped_column(BigInteger)
    cap_cents: Mapped[int] = mapped_column(BigInteger)
    prior_billed_cents: Mapped[int] = mapped_column(BigInteger)
    credit_count: Mapped[int] = mapped_column(server_default=text("0"))
    credit_cents: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    due_cents: Mapped[int] = mapped_column(
        BigInteger, comment="billed of this period and of its prior-period lines, less credits"
    )
    issuer: Mapped[str] = mapped_column(comment="who bills, as set when it was closed")
    previous_hash: Mapped[str | None] = mapped_column(
        comment="content_hash of the customer's report before this one"
    )
    hash_version: Mapped[int] = mapped_column(
        server_default=text("1"), comment="how content_hash is made (docs/verification.md)"
    )
    header: Mapped[list[Any]] = mapped_column(
        JSONB, comment="what content_hash is over, besides lines and credits"
    )
    content_hash: Mapped[str] = mapped_column(comment="SHA-256, hex")
    finalized_at: Mapped[datetime] = stored_at()


_LINED = (
    "lead_ids",
    "action_ids",
    "product_ids",
    "user_keys",
    "lead_types",
    "action_types",
    "engagement_levels",
    "timestamps",
    "gross_cents",
    "billed_cents",
    "cap_used_before_cents",
    "rates",
    "duplicate_of_lead_ids",
    "duplicate_of_action_ids",
    "duplicate_of_timestamps",
)


class BillingReportLineBlock(Base):
    """Up to 250 lines of a final report, of one month, column beside column. Never changes.

    Stored and hashed in half the time that a row a line takes, for the price that hardly any
    constraint looks into a line (docs/decisions/0012). Read through `BillingReportLine`.
    """

    __tablename__ = "billing_report_line_blocks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["customer_id", "report_id"],
            ["billing_reports.customer_id", "billing_reports.report_id"],
            ondelete="RESTRICT",
        ),
        CheckConstraint("first_line >= 1", "lines_count_from_one"),
        CheckConstraint(
            " and ".join(f"cardinality({names}) = last_line - first_line + 1" for names in _LINED),
            "columns_are_of_one_length",
        ),
        CheckConstraint("array_position(gross_cents, null) is null", "every_line_has_a_price"),
        CheckConstraint(
            "0 <= all (gross_cents) and 0 <= all (billed_cents) "
            "and 0 <= all (cap_used_before_cents)",
            "is_not_negative",
        ),
        Index(None, "customer_id", "period"),
    )

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    first_line: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, comment="number of its first line on the report"
    )
    last_line: Mapped[int]
    period: Mapped[date] = mapped_column(
        comment="the actions' own month; earlier than the report's on prior-period lines"
    )
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
    rates: Mapped[list[str | None]] = mapped_column(
        ARRAY(Text()), comment="what kind of rate gave each price; null: one of its level alone"
    )
    duplicate_of_lead_ids: Mapped[list[uuid.UUID | None]] = mapped_column(
        ARRAY(UUID()), comment="null where a line repeats nothing"
    )
    duplicate_of_action_ids: Mapped[list[uuid.UUID | None]] = mapped_column(ARRAY(UUID()))
    duplicate_of_timestamps: Mapped[list[datetime | None]] = mapped_column(
        ARRAY(DateTime(timezone=True))
    )
    block_hash: Mapped[bytes] = mapped_column(comment="SHA-256 (docs/verification.md)")


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
    __table_args__ = (
        ForeignKeyConstraint(
            ["customer_id", "report_id"],
            ["billing_reports.customer_id", "billing_reports.report_id"],
            ondelete="RESTRICT",
        ),
        ForeignKeyConstraint(
            ["customer_id", "dispute_id", "of_report_id", "of_line_number", "amount_cents"],
            [
                "dispute_lines.customer_id",
                "dispute_lines.dispute_id",
                "dispute_lines.report_id",
                "dispute_lines.line_number",
                "dispute_lines.amount_cents",
            ],
            name="fk_billing_report_credits_dispute_line",
            ondelete="RESTRICT",
        ),
        UniqueConstraint(
            "customer_id", "of_report_id", "of_line_number", name="uq_billing_report_credits_line"
        ),
        CheckConstraint("credit_number >= 1", "number_counts_from_one"),
    )

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    credit_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    dispute_id: Mapped[uuid.UUID]
    of_report_id: Mapped[uuid.UUID]
    of_line_number: Mapped[int]
    amount_cents: Mapped[int]
    credit_hash: Mapped[bytes] = mapped_column(comment="SHA-256 (docs/verification.md)")


class BillingReportLeadTotals(Base):
    """What the lines of a final report's own month come to for each lead, side by side.

    Who is named by a lead is read from it when the report is, and not kept here.
    """

    __tablename__ = "billing_report_lead_totals"
    __table_args__ = (
        ForeignKeyConstraint(
            ["customer_id", "report_id"],
            ["billing_reports.customer_id", "billing_reports.report_id"],
            ondelete="RESTRICT",
        ),
    )

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    lead_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(UUID()))
    gross_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    billed_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    duplicate_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    cap_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    action_counts: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
