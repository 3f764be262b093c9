"""Checking final reports without the server: their hashes, their sums, and the chain of them."""

from typing import Any

from . import report_checks
from .errors import NotVerified


def verify_reports(*reports: dict[str, Any]) -> None:
    """Checks one customer's or several customers' final reports, as `whole_report` fetches them.

    The hash of each is computed anew from its lines, and its totals are added up. Of a customer's
    reports, each must name the hash of the one before it, so none may be left out between them.
    Whoever keeps a report's `content_hash` notices by comparing it that a report was made anew.
    Raises NotVerified.
    """
    try:
        for report in reports:
            report_checks.check_report(report)
        for customer in sorted({report["customer_id"] for report in reports}):
            report_checks.check_chain([each for each in reports if each["customer_id"] == customer])
    except report_checks.Refused as refused:
        raise NotVerified(str(refused)) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotVerified(f"this is no report of the Lead Billing Engine ({error})") from error
