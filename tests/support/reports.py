"""Lines and final reports made up for tests of what is written about them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from common.billing_period import Period
from common.enums import ReportStatus
from common.invoicing.details import StatementDetails
from common.rating.line import Line, total_of
from common.rating.rate_cards import CardInForce
from common.reports.model import Group, Parts, Report

NOON = datetime(2024, 4, 2, 12, tzinfo=UTC)
HASH = "0123456789abcdef" * 4
CLOSED = datetime(2024, 5, 1, 0, 10, tzinfo=UTC)


def line(**members: object) -> Line:
    whole = {
        "period": date(2024, 4, 1),
        "action_id": "a2",
        "lead_id": "l2",
        "product_id": "abc",
        "lead_type": "Webinar",
        "user": "ann@people.test",
        "user_key": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        "action_type": "Call",
        "engagement_level": "High",
        "timestamp": NOON,
        "gross_cents": 1000,
        "billed_cents": 1000,
        "duplicate_cents": 0,
        "cap_cents": 0,
        "cap_limit_cents": 10_000,
        "cap_used_before_cents": 0,
        "duplicate_of_lead_id": None,
        "duplicate_of_action_id": None,
        "duplicate_of_timestamp": None,
    }
    return Line(**(whole | members))  # type: ignore[arg-type]


def report_of(lines: list[Line], **members: Any) -> Report:
    """A final report of those lines; a draft with `status`."""
    totals = total_of(lines)
    whole = Report(
        report_id="5f0c4f6e-6d3e-5b8e-9a53-0f6f2b0d1c11",
        customer_id="acme",
        customer_name="Acme Corporation",
        period=Period.parse("2024-04"),
        timezone="Europe/Berlin",
        issuer="Lead Billing Engine",
        details=StatementDetails(),
        status=ReportStatus.FINAL,
        rate_card=CardInForce(UUID(int=0), "Default", 3, True, False),
        totals=totals,
        parts=Parts(
            by_product=[Group({"product_id": "abc", "name": "Product ABC"}, totals)],
            by_lead_type=[Group({"lead_type": "Webinar"}, totals)],
            by_user=[
                Group(
                    {"user": "a***@people.test", "user_key": "0a1b2c3d", "has_user": True}, totals
                )
            ],
            by_lead=[],
            user_count=1,
        ),
        lines=iter(lines),
        generated_at=CLOSED,
        finalized_at=CLOSED,
        content_hash=HASH,
    )
    return replace(whole, **members)


def lines_of(count: int, **members: Any) -> list[Line]:
    start = datetime(2024, 4, 2, tzinfo=UTC)
    return [
        line(lead_id=f"lead-{n:05d}", timestamp=start + timedelta(minutes=n), **members)
        for n in range(count)
    ]
