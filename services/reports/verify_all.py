"""Checks every final report, every signed head and the audit log.

    python -m services.reports.verify_all

Prints a line for each thing that is wrong, and exits with 1 if there is one. Each report has a
transaction of its own, so memory does not grow with their number.
"""

import sys
from uuid import UUID

from sqlalchemy import select

from common.billing_period import Period
from common.catalog.models import Customer
from common.closing.verification import verify_report
from common.database.errors import StatementRefused
from common.database.transactions import snapshot
from common.final_reports.models import BillingReport
from common.proof.checking import differing_heads
from common.settings import settings


def main() -> int:
    wrong = reports = 0
    with snapshot() as session:
        for finding in differing_heads(session, settings()):
            wrong += 1
            _say(finding)
        customers = list(
            session.scalars(select(Customer.customer_id).order_by(Customer.external_id))
        )
    for customer_id in customers:
        with snapshot() as session:
            of_customer = select(BillingReport.report_id).where(
                BillingReport.customer_id == customer_id
            )
            report_ids = list(session.scalars(of_customer.order_by(BillingReport.period)))
        for report_id in report_ids:
            reports += 1
            difference = _difference(customer_id, report_id)
            if difference is not None:
                wrong += 1
                _say(difference)
    _say(f"{reports} reports were checked, {wrong} things are wrong")
    return 1 if wrong else 0


def _difference(customer_id: UUID, report_id: UUID) -> str | None:
    try:
        with snapshot() as session:
            report = session.get_one(BillingReport, (customer_id, report_id))
            name = f"{session.get_one(Customer, customer_id).external_id}, {Period(report.period)}"
            result = verify_report(session, report)
    except StatementRefused as error:
        return f"{name}: cannot be checked ({error})"
    return None if result.is_verified else f"{name}: {result.detail}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
