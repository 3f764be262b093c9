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
        (RateKind.LEVEL, ": 15.00 USD. "),
        (RateKind.LEAD_TYPE, ": 15.00 USD at the rate for Email Campaign. "),
        (RateKind.PRODUCT, ": 15.00 USD at the rate for abc. "),
        (
            RateKind.PRODUCT_AND_LEAD_TYPE,
            ": 15.00 USD at the rate for Email Campaign of abc. ",
        ),
    ],
)
def test_explanation_names_the_rate_that_gave_the_price(rate: RateKind, part: str) -> None:
    assert line(rate).explanation("UTC").startswith(f"Charged in full{part}")


@pytest.mark.parametrize(
    ("rated", "part"),
    [
        (
            line("lead_type", billed=0, duplicate=1500),
            "Not charged; you save 15.00 USD at the rate for Email Campaign",
        ),
        (
            line("lead_type", billed=500, cap=1000),
            "Charged in part: 5.00 of 15.00 USD at the rate for Email Campaign",
        ),
        (
            line("lead_type", billed=0, cap=1500),
            "Not charged; you save 15.00 USD at the rate for Email Campaign",
        ),
    ],
)
def test_explanation_of_a_saving_names_the_rate_too(rated: Line, part: str) -> None:
    assert part in rated.explanation("UTC")


def test_line_document_says_which_kind_of_rate_won() -> None:
    assert line("product").rate == "product"
