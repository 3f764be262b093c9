"""Every table, as SQLAlchemy models: the source of migrations and of docs/database.dbml.

Invariant: what must always hold is a constraint here, money is integer cents, and an instant is a
`timestamptz`. Three times are never mixed: `timestamp` (when it happened), `received_at` (when we
stored it), `finalized_at` (when its period was closed).
"""

import enum
import uuid
from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from common.enums import CapScope, DisputeReason, DisputeStatus, EngagementLevel, Outcome, Role

# Byte order: the order and equality of these texts must not depend on a server's locale.
ByteOrdered = Text(collation="C")


def _enum(values: type[enum.StrEnum], name: str) -> Enum:
    return Enum(
        values,
        name=name,
        values_callable=lambda kind: [member.value for member in kind],
    )


LEVEL = _enum(EngagementLevel, "engagement_level")
CAP_SCOPE = _enum(CapScope, "cap_scope")
OUTCOME = _enum(Outcome, "outcome")
KEY_ROLE = _enum(Role, "key_role")
DISPUTE_REASON = _enum(DisputeReason, "dispute_reason")
DISPUTE_STATUS = _enum(DisputeStatus, "dispute_status")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        str: Text(),
        uuid.UUID: UUID(as_uuid=True),
        dict[str, Any]: JSONB(),
        EngagementLevel: LEVEL,
        CapScope: CAP_SCOPE,
        Outcome: OUTCOME,
        Role: KEY_ROLE,
        DisputeReason: DISPUTE_REASON,
        DisputeStatus: DISPUTE_STATUS,
    }


def _stored_at() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


def _held(target: str) -> dict[str, str]:
    """What a column refers to where something else than a foreign key sees to it."""
    return {"refers_to": target}


class Customer(Base):
    """The B2B partner that is billed."""

    __tablename__ = "customers"

    customer_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(ByteOrdered, unique=True, comment="the caller's id")
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True, comment="lower case")
    timezone: Mapped[str] = mapped_column(server_default="UTC", comment="IANA time zone")
    created_at: Mapped[datetime] = _stored_at()


class Product(Base):
    """What a lead is interested in."""

    __tablename__ = "products"

    product_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(ByteOrdered, unique=True, comment="the caller's id")
    name: Mapped[str]
    description: Mapped[str | None]
    created_at: Mapped[datetime] = _stored_at()


class LeadType(Base):
    """The kinds of lead that are accepted. A new kind is a new row."""

    __tablename__ = "lead_types"

    lead_type: Mapped[str] = mapped_column(ByteOrdered, primary_key=True)


class Lead(Base):
    """One record of interest. Never deleted, and never changed but by erasing its user."""

    __tablename__ = "leads"
    __table_args__ = (
        Index(None, "customer_id", "created_at", "lead_id"),
        Index(None, "created_at", "lead_id"),
        Index(None, "user_key"),
    )

    lead_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True,
        comment="a function of external_id, which is therefore unique too",
    )
    external_id: Mapped[str] = mapped_column(ByteOrdered, comment="the caller's id")
    customer_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT")
    )
    product_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("products.product_id", ondelete="RESTRICT")
    )
    lead_type: Mapped[str] = mapped_column(
        ByteOrdered, ForeignKey("lead_types.lead_type", ondelete="RESTRICT")
    )
    user_key: Mapped[uuid.UUID] = mapped_column(
        comment="keyed hash of the user, or of the fallback user where none was named"
    )
    names_user: Mapped[bool] = mapped_column(comment="false: billed under the fallback user")
    user_email: Mapped[str | None] = mapped_column(comment="trimmed, lower case")
    user_phone: Mapped[str | None] = mapped_column(comment="digits and a leading +")
    user_external_id: Mapped[str | None] = mapped_column(comment="trimmed")
    created_at: Mapped[datetime]
    received_at: Mapped[datetime] = _stored_at()

    customer: Mapped[Customer] = relationship(lazy="joined", innerjoin=True)
    product: Mapped[Product] = relationship(lazy="joined", innerjoin=True)


class Action(Base):
    """One thing a user did. Carries what deciding needs, so that deciding reads one table.

    That its lead exists is checked once per statement by a trigger (see the first migration): a
    foreign key would check it once per row.
    """

    __tablename__ = "actions"
    __table_args__ = (
        CheckConstraint("occurrence >= 1", "occurrence_counts_from_one"),
        # Holds all that deciding and closing read, so that a month need not be gathered from all
        # over the table. Its longest texts are short enough for an index entry: longer spellings
        # than four bytes a character come from few characters, and PostgreSQL compresses them.
        # And in canonical order, which it need not be sorted into then (rules.md, 5).
        Index(
            "ix_actions_canonical_order",
            "customer_id",
            "timestamp",
            "lead_created_at",
            "lead_id",
            "action_key",
            "engagement_level",
            "occurrence",
            postgresql_include=[
                "action_id",
                "product_id",
                "user_key",
                "lead_type",
                "action_type",
            ],
        ),
    )

    lead_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, info=_held("leads.lead_id"))
    action_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, comment="hash of its content")
    customer_id: Mapped[uuid.UUID] = mapped_column(info=_held("customers.customer_id"))
    product_id: Mapped[uuid.UUID] = mapped_column(info=_held("products.product_id"))
    user_key: Mapped[uuid.UUID]
    lead_type: Mapped[str] = mapped_column(ByteOrdered)
    lead_created_at: Mapped[datetime]
    action_type: Mapped[str] = mapped_column(comment="as the caller wrote it")
    action_key: Mapped[str] = mapped_column(
        ByteOrdered, comment="action_type trimmed, inner spaces folded, case folded"
    )
    engagement_level: Mapped[EngagementLevel]
    timestamp: Mapped[datetime]
    occurrence: Mapped[int] = mapped_column(
        comment="nth action of this lead with the same key, level and timestamp"
    )
    received_at: Mapped[datetime] = _stored_at()


class LateAction(Base):
    """An action of a closed month that no final report has a line of, until one is closed with it.

    Written by a trigger on actions, which shares a lock with whoever closes the customer's month
    (see the migration).
    """

    __tablename__ = "late_actions"

    customer_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, info=_held("customers.customer_id")
    )
    period: Mapped[date] = mapped_column(primary_key=True, comment="the closed month it belongs to")
    lead_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, info=_held("leads.lead_id"))
    action_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class QuarantinedLead(Base):
    """A valid lead of an unknown customer or product, kept whole until it can be replayed."""

    __tablename__ = "quarantined_leads"
    __table_args__ = (
        CheckConstraint("jsonb_typeof(lead) = 'object'", "lead_is_an_object"),
        Index(None, "received_at", "quarantine_id"),
    )

    quarantine_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, comment="hash of the lead's content: a retry adds nothing"
    )
    lead_id: Mapped[uuid.UUID]
    customer_id: Mapped[uuid.UUID] = mapped_column(
        comment="of the customer that the lead names, registered or not"
    )
    user_key: Mapped[uuid.UUID | None] = mapped_column(
        comment="whom a lead that names a user is billed under, also once that is erased"
    )
    lead: Mapped[dict[str, Any]] = mapped_column(comment="the lead as it was sent")
    reason: Mapped[str] = mapped_column(comment="unknown_customer or unknown_product")
    received_at: Mapped[datetime] = _stored_at()
    replayed_at: Mapped[datetime | None] = mapped_column(comment="when a replay stored it")


class Installation(Base):
    """What holds for this database as a whole: one row."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("is_only_row", "is_the_only_row"),)

    is_only_row: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    user_hash_key_fingerprint: Mapped[str] = mapped_column(
        comment="of the key its users are hashed with, which must stay the same"
    )


class RateCard(Base):
    """Prices and cap in force from a month's start; versioned and never edited."""

    __tablename__ = "rate_cards"
    __table_args__ = (
        UniqueConstraint("customer_id", "version", postgresql_nulls_not_distinct=True),
        CheckConstraint("extract(day from valid_from) = 1", "valid_from_starts_a_month"),
        CheckConstraint("version >= 1", "version_counts_from_one"),
        CheckConstraint("cap_cents >= 0", "cap_is_not_negative"),
        CheckConstraint("dispute_window_days >= 0", "dispute_window_is_not_negative"),
        CheckConstraint("customer_id is not null or not follows_default", "default_follows_none"),
    )

    rate_card_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    customer_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT"),
        comment="null: the default card",
    )
    name: Mapped[str]
    version: Mapped[int]
    valid_from: Mapped[date] = mapped_column(comment="first day of the first month it prices")
    currency: Mapped[str] = mapped_column(server_default="USD", comment="ISO 4217")
    cap_cents: Mapped[int] = mapped_column(server_default=text("10000"))
    cap_scope: Mapped[CapScope] = mapped_column(server_default="user")
    dispute_window_days: Mapped[int] = mapped_column(
        server_default=text("60"), comment="how long a final report's lines can be disputed"
    )
    follows_default: Mapped[bool] = mapped_column(
        server_default=text("false"),
        comment="from its month on the default card prices its customer again",
    )
    created_at: Mapped[datetime] = _stored_at()

    customer: Mapped[Customer | None] = relationship(lazy="joined")
    rates: Mapped[list["Rate"]] = relationship(order_by="Rate.rate_id", lazy="selectin")
    charged_duplicates: Mapped[list["ChargedDuplicates"]] = relationship(
        order_by="ChargedDuplicates.lead_type", lazy="selectin"
    )


class Rate(Base):
    """One price of a card. The most specific one that fits an action wins (rules.md, 2)."""

    __tablename__ = "rates"
    __table_args__ = (
        UniqueConstraint(
            "rate_card_id",
            "engagement_level",
            "lead_type",
            "product_id",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("amount_cents >= 0", "amount_is_not_negative"),
    )

    rate_id: Mapped[int] = mapped_column(primary_key=True)
    rate_card_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("rate_cards.rate_card_id", ondelete="RESTRICT")
    )
    engagement_level: Mapped[EngagementLevel]
    lead_type: Mapped[str | None] = mapped_column(
        ByteOrdered,
        ForeignKey("lead_types.lead_type", ondelete="RESTRICT"),
        comment="null: any",
    )
    product_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("products.product_id", ondelete="RESTRICT"), comment="null: any"
    )
    amount_cents: Mapped[int]

    product: Mapped[Product | None] = relationship(lazy="joined")


class ChargedDuplicates(Base):
    """A lead type whose duplicates a card charges: its actions repeat nothing."""

    __tablename__ = "charged_duplicates"

    rate_card_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("rate_cards.rate_card_id", ondelete="RESTRICT"), primary_key=True
    )
    lead_type: Mapped[str] = mapped_column(
        ByteOrdered, ForeignKey("lead_types.lead_type", ondelete="RESTRICT"), primary_key=True
    )


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

    run_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    period: Mapped[date]
    actor: Mapped[str] = mapped_column(comment="who or what asked for it")
    started_at: Mapped[datetime] = _stored_at()
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
    parked_at: Mapped[datetime] = _stored_at()


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

    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    run_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("billing_runs.run_id", ondelete="RESTRICT")
    )
    customer_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT")
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
    previous_hash: Mapped[str | None] = mapped_column(
        comment="content_hash of the customer's report before this one"
    )
    canonical_form: Mapped[int] = mapped_column(
        server_default=text("1"),
        comment="which form content_hash is over (docs/verification.md)",
    )
    content_hash: Mapped[str] = mapped_column(comment="SHA-256 over the canonical form, hex")
    finalized_at: Mapped[datetime] = _stored_at()


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


class BillingReportBlock(Base):
    """Up to 250 lines of a final report, of one month, column beside column. Never changes.

    Stored and hashed in half the time that a row a line takes, for the price that hardly any
    constraint looks into a line (docs/decisions/0012). Read through `BillingReportLine`.
    """

    __tablename__ = "billing_report_blocks"
    __table_args__ = (
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
        CheckConstraint(
            "(line_hashes is null) <> (block_hash is null)", "is_hashed_by_line_or_whole"
        ),
        Index(None, "customer_id", "period"),
    )

    report_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("billing_reports.report_id", ondelete="RESTRICT"), primary_key=True
    )
    first_line: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, comment="number of its first line on the report"
    )
    last_line: Mapped[int]
    customer_id: Mapped[uuid.UUID] = mapped_column(info=_held("customers.customer_id"))
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
    line_hashes: Mapped[list[bytes] | None] = mapped_column(
        ARRAY(LargeBinary()), comment="of each line, in the canonical forms 1 to 3"
    )
    block_hash: Mapped[bytes | None] = mapped_column(
        comment="SHA-256 of the block, from the canonical form 4 on"
    )


class View(DeclarativeBase):
    """What is read like a table and is none."""

    metadata = MetaData()
    type_annotation_map = Base.type_annotation_map


class BillingReportLine(View):
    """One decided action of a final report, as it was decided: a line of a block.

    Where few lines are wanted, `block_...` lets PostgreSQL leave other blocks alone.
    """

    __tablename__ = "billing_report_lines"

    report_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    line_number: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[uuid.UUID]
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
    line_hash: Mapped[bytes | None]
    block_first_line: Mapped[int]
    block_last_line: Mapped[int]
    block_first_timestamp: Mapped[datetime]
    block_last_timestamp: Mapped[datetime]


class ApiKey(Base):
    """Who may use the API. Of the key itself only a hash is here."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint(
            "role <> 'admin' or customer_id is null", "an_admin_belongs_to_no_customer"
        ),
        CheckConstraint("octet_length(secret_hash) = 32", "secret_hash_is_sha256"),
    )

    key_id: Mapped[str] = mapped_column(ByteOrdered, primary_key=True, comment="part of the key")
    name: Mapped[str] = mapped_column(comment="who or what uses it")
    role: Mapped[Role]
    customer_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT"),
        comment="null: of every customer; else sees and sends this one's data alone",
    )
    secret_hash: Mapped[bytes] = mapped_column(comment="SHA-256 of the whole key")
    created_at: Mapped[datetime] = _stored_at()
    ends_at: Mapped[datetime | None] = mapped_column(comment="refused from then on")
    replaces: Mapped[str | None] = mapped_column(
        ByteOrdered,
        ForeignKey("api_keys.key_id", ondelete="RESTRICT"),
        comment="the key that was rotated",
    )

    customer: Mapped[Customer | None] = relationship(lazy="joined")


class ErasedUser(Base):
    """A user whose person was taken out: later leads of theirs are stored without it too."""

    __tablename__ = "erased_users"

    user_key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    erased_at: Mapped[datetime] = _stored_at()


class AuditEntry(Base):
    """One change: who made it, to what, and what was there before and after.

    Written by triggers in the transaction of the change, and never changed. Holds no key, nobody's
    email in full, and nothing of the people behind leads.
    """

    __tablename__ = "audit_entries"

    entry_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    recorded_at: Mapped[datetime] = _stored_at()
    actor: Mapped[str] = mapped_column(comment="a key, a command, or a database role")
    database_user: Mapped[str] = mapped_column(comment="who was signed in to the database")
    action: Mapped[str] = mapped_column(comment="created, changed, closed, replayed, erased, ...")
    subject: Mapped[str] = mapped_column(comment="kind of what was changed")
    subject_id: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]


class Dispute(Base):
    """Billed lines of one lead that their customer does not want to pay, and what came of it."""

    __tablename__ = "disputes"
    __table_args__ = (
        UniqueConstraint("dispute_id", "status"),
        CheckConstraint("reason <> 'other' or note is not null", "other_says_what"),
        CheckConstraint(
            "(status = 'open') = (decided_at is null) and (status = 'open') = (decided_by is null)",
            "decided_by_somebody",
        ),
        Index(None, "opened_at", "dispute_id"),
        Index(None, "customer_id", "opened_at", "dispute_id"),
        Index(None, "lead_id"),
    )

    dispute_id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid()
    )
    customer_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("customers.customer_id", ondelete="RESTRICT")
    )
    lead_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("leads.lead_id", ondelete="RESTRICT"))
    reason: Mapped[DisputeReason]
    note: Mapped[str | None]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime] = _stored_at()
    status: Mapped[DisputeStatus] = mapped_column(server_default="open")
    decided_by: Mapped[str | None]
    decision_note: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class DisputedLine(Base):
    """A final line that is disputed: by one dispute at a time, and by none behind an accepted one.

    A trigger holds that the line is final and billed as much (see the migration).
    """

    __tablename__ = "disputed_lines"
    __table_args__ = (
        ForeignKeyConstraint(
            ["dispute_id", "status"],
            ["disputes.dispute_id", "disputes.status"],
            onupdate="CASCADE",
            ondelete="RESTRICT",
        ),
        UniqueConstraint("dispute_id", "report_id", "line_number", "amount_cents"),
        CheckConstraint("amount_cents > 0", "something_was_billed"),
        Index(
            None,
            "report_id",
            "line_number",
            unique=True,
            postgresql_where=text("status <> 'rejected'"),
        ),
    )

    dispute_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    report_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("billing_reports.report_id", ondelete="RESTRICT"), primary_key=True
    )
    line_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    action_id: Mapped[uuid.UUID]
    amount_cents: Mapped[int] = mapped_column(comment="what was billed on it")
    status: Mapped[DisputeStatus] = mapped_column(
        server_default="open", comment="that of its dispute"
    )


class BillingReportCredit(Base):
    """A credit on a final report: what a line of an earlier one had billed. Once per line."""

    __tablename__ = "billing_report_credits"
    __table_args__ = (
        ForeignKeyConstraint(
            ["dispute_id", "of_report_id", "of_line_number", "amount_cents"],
            [
                "disputed_lines.dispute_id",
                "disputed_lines.report_id",
                "disputed_lines.line_number",
                "disputed_lines.amount_cents",
            ],
            name="fk_billing_report_credits_disputed_line",
            ondelete="RESTRICT",
        ),
        UniqueConstraint("of_report_id", "of_line_number"),
        CheckConstraint("credit_number >= 1", "number_counts_from_one"),
    )

    report_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("billing_reports.report_id", ondelete="RESTRICT"), primary_key=True
    )
    credit_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    dispute_id: Mapped[uuid.UUID]
    of_report_id: Mapped[uuid.UUID]
    of_line_number: Mapped[int]
    amount_cents: Mapped[int]
    credit_hash: Mapped[bytes] = mapped_column(comment="SHA-256 over the credit's canonical form")


class BillingReportBreakdown(Base):
    """What the lines of a final report's own month come to for each lead, side by side.

    Who is named by a lead is read from it when the report is, and not kept here.
    """

    __tablename__ = "billing_report_breakdowns"

    report_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("billing_reports.report_id", ondelete="RESTRICT"), primary_key=True
    )
    lead_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(UUID()))
    gross_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    billed_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    duplicate_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    cap_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    action_counts: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
