"""Checks every final report, every signed head and the audit log.

    python -m services.reports.verify_all

Prints a line for each thing that is wrong, and exits with 1 if there is one. Each report and each
customer has a transaction of its own, so memory does not grow with their number.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial

from sqlalchemy.orm import Session

from common.closing.verify_everything import (
    customers_to_verify,
    reports_to_verify,
    wrong_overall,
    wrong_with_customer,
    wrong_with_report,
)
from common.database.errors import StatementRefused
from common.database.transactions import long_work, snapshot


def main() -> int:
    wrong = reports = 0
    with snapshot() as session:
        customers = customers_to_verify(session)
    with long_work():
        wrong += _say_all("the heads", wrong_overall)
        for customer_id in customers:
            with snapshot() as session:
                report_ids = reports_to_verify(session, customer_id)
            reports += len(report_ids)
            of_customer = partial(wrong_with_customer, customer_id=customer_id)
            for report_id in report_ids:
                of_report = partial(wrong_with_report, customer_id=customer_id, report_id=report_id)
                wrong += _say_all(f"report {report_id}", of_report)
            wrong += _say_all(f"customer {customer_id}", of_customer)
    _say(f"{len(customers)} customers and {reports} reports were checked, {wrong} things are wrong")
    return 1 if wrong else 0


def _say_all(name: str, check: Callable[[Session], Iterator[str]]) -> int:
    """Says what a check finds, in a transaction of its own, and returns how much that is."""
    count = 0
    try:
        with snapshot() as session:
            for finding in check(session):
                count += 1
                _say(finding)
    except StatementRefused as error:
        count += 1
        _say(f"{name} cannot be checked: {error}")
    return count


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
