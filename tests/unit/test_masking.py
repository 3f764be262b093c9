"""Users in files: nobody can be reached by what is left, and people stay apart by their key."""

from datetime import UTC, datetime

import pytest

from common.billing_period import Period
from common.enums import ReportStatus
from common.rating.totals import Totals
from common.reports.model import CardName, Group, Parts, Report
from services.reports.render.masking import masked_user, with_masked_users
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
        status=ReportStatus.DRAFT,
        rate_card=CardName("Default", 1),
        totals=Totals(),
        parts=Parts([], [], [Group(members, Totals())], [Group(members, Totals())]),
        lines=iter([named, nameless]),
        notices=[],
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
