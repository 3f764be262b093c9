"""Dispute billed lines, credit those that are accepted, and let a card follow the default one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_REASONS = ("duplicate", "invalid_contact", "out_of_area", "spam", "not_requested", "other")
_STATUSES = ("open", "accepted", "rejected")

# Lines are neither edited nor deleted, so what holds when one is disputed holds for ever.
_NO_MORE_THAN_BILLED = """
create function disputed_lines_check_billed() returns trigger language plpgsql as $$
begin
    if not exists (
        select from billing_report_lines as line
        where line.report_id = new.report_id
            and line.line_number = new.line_number
            and line.action_id = new.action_id
            and line.billed_cents >= new.amount_cents
    ) then
        raise check_violation using message = 'a disputed line that billed less, or is not final';
    end if;
    return new;
end $$
"""
_TRIGGERS = {
    "disputed_lines_were_billed": "before insert on dispute_lines "
    "for each row execute function disputed_lines_check_billed()",
    # Its status follows that of its dispute.
    "disputed_lines_are_never_edited": "before update of report_id, line_number, action_id, "
    "amount_cents on dispute_lines for each row execute function refuse_edit()",
    "decided_disputes_are_never_edited": "before update on disputes "
    "for each row when (old.status <> 'open') execute function refuse_edit()",
    "billing_report_credits_are_never_edited": "before update on billing_report_credits "
    "for each row execute function refuse_edit()",
} | {
    f"{table}_are_kept": f"before delete on {table} for each row execute function refuse_delete()"
    for table in ("disputes", "dispute_lines", "billing_report_credits")
}


def upgrade() -> None:
    op.add_column(
        "rate_cards",
        sa.Column(
            "dispute_window_days",
            sa.Integer(),
            server_default=sa.text("60"),
            nullable=False,
            comment="how long a final report's lines can be disputed",
        ),
    )
    op.create_check_constraint(
        op.f("ck_rate_cards_dispute_window_is_not_negative"),
        "rate_cards",
        "dispute_window_days >= 0",
    )
    op.add_column(
        "rate_cards",
        sa.Column(
            "follows_default",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="from its month on the default card prices its customer again",
        ),
    )
    op.create_check_constraint(
        op.f("ck_rate_cards_default_follows_none"),
        "rate_cards",
        "customer_id is not null or not follows_default",
    )
    op.add_column(
        "billing_reports",
        sa.Column("credit_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "billing_reports",
        sa.Column("credit_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "billing_reports",
        sa.Column(
            "hash_version",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="which form content_hash is over (docs/verification.md)",
        ),
    )
    op.create_table(
        "disputes",
        sa.Column(
            "dispute_id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False
        ),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("lead_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Enum(*_REASONS, name="dispute_reason"), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column(
            "opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "status",
            sa.Enum(*_STATUSES, name="dispute_status"),
            server_default="open",
            nullable=False,
        ),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decision_note", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "reason <> 'other' or note is not null", name=op.f("ck_disputes_other_says_what")
        ),
        sa.CheckConstraint(
            "(status = 'open') = (decided_at is null) and (status = 'open') = (decided_by is null)",
            name=op.f("ck_disputes_decided_by_somebody"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.customer_id"],
            name=op.f("fk_disputes_customer_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["lead_id"], ["leads.lead_id"], name=op.f("fk_disputes_lead_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("dispute_id", name=op.f("pk_disputes")),
        sa.UniqueConstraint("dispute_id", "status", name=op.f("uq_disputes_dispute_id_status")),
    )
    op.create_index(
        op.f("ix_disputes_opened_at_dispute_id"), "disputes", ["opened_at", "dispute_id"]
    )
    op.create_index(
        op.f("ix_disputes_customer_id_opened_at_dispute_id"),
        "disputes",
        ["customer_id", "opened_at", "dispute_id"],
    )
    op.create_index(op.f("ix_disputes_lead_id"), "disputes", ["lead_id"])
    op.create_table(
        "dispute_lines",
        sa.Column("dispute_id", sa.UUID(), nullable=False),
        sa.Column("report_id", sa.UUID(), nullable=False),
        sa.Column("line_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("action_id", sa.UUID(), nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False, comment="what was billed on it"),
        sa.Column(
            "status",
            postgresql.ENUM(*_STATUSES, name="dispute_status", create_type=False),
            server_default="open",
            nullable=False,
            comment="that of its dispute",
        ),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_dispute_lines_something_was_billed")),
        sa.ForeignKeyConstraint(
            ["dispute_id", "status"],
            ["disputes.dispute_id", "disputes.status"],
            name=op.f("fk_dispute_lines_dispute_id_status"),
            onupdate="CASCADE",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["billing_reports.report_id"],
            name=op.f("fk_dispute_lines_report_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint(
            "dispute_id", "report_id", "line_number", name=op.f("pk_dispute_lines")
        ),
        sa.UniqueConstraint(
            "dispute_id",
            "report_id",
            "line_number",
            "amount_cents",
            name=op.f("uq_dispute_lines_dispute_id_report_id_line_number_amount_cents"),
        ),
    )
    op.create_index(
        op.f("ix_dispute_lines_report_id_line_number"),
        "dispute_lines",
        ["report_id", "line_number"],
        unique=True,
        postgresql_where=sa.text("status <> 'rejected'"),
    )
    op.create_table(
        "billing_report_credits",
        sa.Column("report_id", sa.UUID(), nullable=False),
        sa.Column("credit_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dispute_id", sa.UUID(), nullable=False),
        sa.Column("of_report_id", sa.UUID(), nullable=False),
        sa.Column("of_line_number", sa.Integer(), nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column(
            "credit_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 over the credit's canonical form",
        ),
        sa.CheckConstraint(
            "credit_number >= 1", name=op.f("ck_billing_report_credits_number_counts_from_one")
        ),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["billing_reports.report_id"],
            name=op.f("fk_billing_report_credits_report_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id", "of_report_id", "of_line_number", "amount_cents"],
            [
                "dispute_lines.dispute_id",
                "dispute_lines.report_id",
                "dispute_lines.line_number",
                "dispute_lines.amount_cents",
            ],
            name=op.f("fk_billing_report_credits_disputed_line"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint(
            "report_id", "credit_number", name=op.f("pk_billing_report_credits")
        ),
        sa.UniqueConstraint(
            "of_report_id",
            "of_line_number",
            name=op.f("uq_billing_report_credits_of_report_id_of_line_number"),
        ),
    )
    op.execute(_NO_MORE_THAN_BILLED)
    for name, trigger in _TRIGGERS.items():
        op.execute(f"create trigger {name} {trigger}")


def downgrade() -> None:
    op.drop_table("billing_report_credits")
    op.drop_table("dispute_lines")
    op.drop_table("disputes")
    op.execute("drop function disputed_lines_check_billed()")
    for name in ("dispute_status", "dispute_reason"):
        op.execute(f"drop type {name}")
    for column in ("hash_version", "credit_cents", "credit_count"):
        op.drop_column("billing_reports", column)
    for constraint in ("default_follows_none", "dispute_window_is_not_negative"):
        op.drop_constraint(op.f(f"ck_rate_cards_{constraint}"), "rate_cards")
    for column in ("follows_default", "dispute_window_days"):
        op.drop_column("rate_cards", column)
