"""Users in files: nobody can be reached by what is left, and people stay apart by their key."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from common.billing_period import Period
from common.enums import ReportStatus
from common.invoicing.details import StatementDetails
from common.leads.masking import masked_user
from common.rating.line import Totals
from common.rating.rate_cards import CardInForce
from common.reports.model import Group, Parts, Report
from services.reports.render.masking import with_masked_users
from tests.support.reports import line


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("john@yahoo.com", "j***@yahoo.com"),
        ("j@yahoo.com", "j***@yahoo.com"),
        ('"a@b"@yahoo.com', '"***@yahoo.com'),
        ("@yahoo.com", "***@yahoo.com"),
        ("+15550012389", "+1 *** **89"),
        ("015550012389", "0 *** **89"),
        ("crm-4711", "crm-4711"),
        ("12345", "12345"),
        ("💡@x", "💡***@x"),
    ],
)
def test_user_is_masked(user: str, shown: str) -> None:
    assert masked_user(user) == shown


def test_every_user_of_a_report_is_masked_and_nothing_else_changes() -> None:
    named, nameless = line(), line(user=None)
    members = {"user": "ann@people.test", "user_key": "0a1b"}
    report = Report(
        report_id="r",
        customer_id="acme",
        customer_name="Acme",
        period=Period.parse("2024-04"),
        timezone="UTC",
        issuer="Lead Billing Engine",
        details=StatementDetails(),
        status=ReportStatus.DRAFT,
        rate_card=CardInForce(UUID(int=0), "Default", 1, True, False),
        totals=Totals(),
        parts=Parts([], [], [Group(members, Totals())], [Group(members, Totals())]),
        lines=iter([named, nameless]),
        generated_at=datetime(2024, 5, 1, tzinfo=UTC),
        prior_period=[named],
    )

    masked = with_masked_users(report)

    hidden = "a***@people.test"
    assert list(masked.lines) == [named._replace(user=hidden), nameless]
    assert masked.prior_period == [named._replace(user=hidden)]
    for group in (*masked.parts.by_user, *masked.parts.by_lead):
        assert group.members == {"user": hidden, "user_key": "0a1b"}
    assert report.prior_period == [named]
