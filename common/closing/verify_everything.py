"""Verifying everything: each final report, and all that no single report shows.

Invariant: nothing here writes. Each finding is one sentence that names what is wrong.
"""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.models import Customer
from common.closing.reconciliation import reconcile
from common.closing.verification import verify_report
from common.database.sql_loader import load_statement
from common.final_reports.models import BillingReport
from common.proof.head_checking import differing_heads, differing_rows
from common.settings import settings

_DIFFERING_DISPUTE_LINES = text(load_statement("proof", "differing_dispute_lines"))


def wrong_overall(session: Session) -> Iterator[str]:
    """What is wrong with heads, trees, the audit log, and rows that it holds."""
    yield from differing_heads(session, settings())
    yield from differing_rows(session)


def wrong_with_customer(session: Session, customer_id: UUID) -> Iterator[str]:
    """What is wrong with a customer's actions and disputes, besides its reports."""
    customer = session.get_one(Customer, customer_id).external_id
    for dispute_id in session.scalars(_DIFFERING_DISPUTE_LINES, {"customer_id": str(customer_id)}):
        yield f"{customer}: dispute {dispute_id} has another line than its report"
    found = reconcile(session, customer_id)
    for action in found.misplaced:
        yield f"{customer}: action {action.action_id} of lead {action.lead} {action.detail}"
    if found.misplaced_count > len(found.misplaced):
        yield f"{customer}: {found.misplaced_count} actions are not on exactly one line"


def wrong_with_report(session: Session, customer_id: UUID, report_id: UUID) -> Iterator[str]:
    report = session.get_one(BillingReport, (customer_id, report_id))
    result = verify_report(session, report)
    if not result.is_verified:
        customer = session.get_one(Customer, customer_id).external_id
        yield f"{customer}, {Period(report.period)}: {result.detail}"


def customers_to_verify(session: Session) -> list[UUID]:
    """All customers, by name."""
    return list(session.scalars(select(Customer.customer_id).order_by(Customer.external_id)))


def reports_to_verify(session: Session, customer_id: UUID) -> list[UUID]:
    """A customer's final reports, the earliest first."""
    of_customer = select(BillingReport.report_id).where(BillingReport.customer_id == customer_id)
    return list(session.scalars(of_customer.order_by(BillingReport.period)))
