"""No cell of a CSV file becomes a formula, whatever separates cells for who opens it."""

# ruff: noqa: RUF001 - full-width signs are what is tested

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.formulas import with_formula, without_formula

MIB = 1024 * 1024
_SIGNS = "=+-@＝＋－＠﹢﹣﹦﹫−"
_IGNORED = " \t\r\n\u00a0\u200b\ufeff\"'"


def _begins_a_formula(text: str) -> bool:
    cells = re.split(r"[;,|\t\r\n]", text)
    return any(
        cell.strip(_IGNORED).startswith(tuple(_SIGNS))
        and not cell.startswith("'")
        and not re.fullmatch("-[0-9]+[.][0-9]{2}", cell)
        for cell in cells
    )


@given(text=st.text(alphabet=_SIGNS + _IGNORED + ";,|aZ1()", max_size=12))
def test_no_text_becomes_a_formula_after_any_separator(text: str) -> None:
    cell = without_formula(text)

    assert not _begins_a_formula(cell)
    assert cell.replace("'", "") == text.replace("'", "")
    assert with_formula(cell) == text


@pytest.mark.parametrize("piece", ["\t", "\n", ";", " ", "'", "\t ", ";'=", "-"])
def test_long_cell_costs_little_time(piece: str) -> None:
    text = (piece * MIB)[:MIB]
    began = time.monotonic()

    assert with_formula(without_formula(text)) == text

    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "text",
    [
        "x;=HYPERLINK(1)",
        "=1",
        "a\t=1",
        "a\n+1",
        "a,-1",
        "a| @SUM(1)",
        "＝1",
        "a;\u200b=1",
        'a;"=1"',
    ],
)
def test_formula_gets_an_apostrophe(text: str) -> None:
    assert _begins_a_formula(text)
    assert "'" in without_formula(text)


@pytest.mark.parametrize("text", ["00123", "1E10", "3-4", "a@b.example", "a, b; c", "2024-04", ""])
def test_text_without_a_formula_stays_as_it_is(text: str) -> None:
    assert without_formula(text) == text


@pytest.mark.parametrize("amount", ["-5.00", "-0.05", "-1234567.89"])
def test_amount_below_zero_stays_a_number(amount: str) -> None:
    assert without_formula(amount) == amount


@pytest.mark.parametrize("cell", ["-5.00+2", "-5", "--5.00", "-5.00\n=1", "- 5.00"])
def test_what_only_looks_like_an_amount_is_made_text(cell: str) -> None:
    assert without_formula(cell).startswith("'")
