"""The months of bills: where each begins and ends, over the turn of a year too."""

from datetime import date

import pytest

from common.billing_period import Period


@pytest.mark.parametrize(
    ("month", "end", "before"),
    [
        ("2024-04", date(2024, 5, 1), "2024-03"),
        ("2024-11", date(2024, 12, 1), "2024-10"),
        ("2024-12", date(2025, 1, 1), "2024-11"),
        ("2025-01", date(2025, 2, 1), "2024-12"),
        ("9999-12", date.max, "9999-11"),
    ],
)
def test_month_ends_where_the_next_begins(month: str, end: date, before: str) -> None:
    period = Period.parse(month)

    assert period.end == end
    assert str(period.before) == before
