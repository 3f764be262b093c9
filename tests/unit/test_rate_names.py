"""A line's sentence names the rate that gave its price, where it is not the plain level's."""

from datetime import UTC, date, datetime

import pytest

from common.enums import RateKind
from common.rating.line import Line

_MOMENT = datetime(2024, 4, 2, 9, tzinfo=UTC)


def line(rate: str, billed: int = 1500, duplicate: int = 0, cap: int = 0) -> Line:
    return Line(
        date(2024, 4, 1),
        "action-2",
        "lead-2",
        "abc",
        "Email Campaign",
        "ann@people.test",
        "user-key",
        "Reply",
        "High",
        _MOMENT,
        1500,
        billed,
        duplicate,
        cap,
        10_000,
        9_500,
        "lead-1" if duplicate else None,
        "action-1" if duplicate else None,
        _MOMENT if duplicate else None,
        rate,
    )


@pytest.mark.parametrize(
    ("rate", "part"),
    [
        (RateKind.LEVEL, "full price of 15.00 USD and "),
        (RateKind.LEAD_TYPE, "full price of 15.00 USD at the rate for Email Campaign and "),
        (RateKind.PRODUCT, "full price of 15.00 USD at the rate for abc and "),
        (
            RateKind.PRODUCT_AND_LEAD_TYPE,
            "full price of 15.00 USD at the rate for Email Campaign of abc and ",
        ),
    ],
)
def test_explanation_names_the_rate_that_gave_the_price(rate: RateKind, part: str) -> None:
    assert line(rate).explanation.startswith(f"Reply (High) is charged its {part}")


@pytest.mark.parametrize(
    ("decided", "part"),
    [
        (
            line("lead_type", billed=0, duplicate=1500),
            "is not charged and saves 15.00 USD at the rate for Email Campaign",
        ),
        (
            line("lead_type", billed=500, cap=1000),
            "is charged 5.00 of its price of 15.00 USD at the rate for Email Campaign",
        ),
        (
            line("lead_type", billed=0, cap=1500),
            "is not charged and saves 15.00 USD at the rate for Email Campaign",
        ),
    ],
)
def test_explanation_of_a_saving_names_the_rate_too(decided: Line, part: str) -> None:
    assert part in decided.explanation


def test_line_document_says_which_kind_of_rate_won() -> None:
    assert line("product").rate == "product"
