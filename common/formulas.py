"""Texts in files for spreadsheets: none of their cells is a formula, and reading gives them back.

Invariant: `with_formula` undoes `without_formula`, whatever the text.
"""

import re

# Where a spreadsheet sees a formula: at the start of a cell, and after what the spreadsheet of
# another country takes for the end of a cell. Full-width signs count; spaces before them do not.
# No gap reaches over an end of a cell, or a long text of them would take quadratic time.
_SIGN = (
    "(?=(?:[^\\S\t\r\n]|[\"'\u00ad\u200b-\u200f\u2060-\u2064\ufeff])*"
    "[-=+@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212])"
)
_GAP = "(?='*[\t\r\n])"
_END = "(^|[;,|\t\r\n])"
_FORMULA = re.compile(f"^{_GAP}|{_END}{_SIGN}")
_MARKED_FORMULA = re.compile(f"^'{_GAP}|{_END}'{_SIGN}")
_AMOUNT_BELOW_ZERO = re.compile("-[0-9]+[.][0-9]{2}")


def without_formula(cell: str) -> str:
    """The cell as text, never as a formula: an apostrophe before each sign that begins one.

    An amount below zero is a number and no formula, and stays one, so that a column can be summed.
    """
    if _AMOUNT_BELOW_ZERO.fullmatch(cell):
        return cell
    return _FORMULA.sub(r"\1'", cell)


def with_formula(cell: str) -> str:
    """The cell as it was before `without_formula`."""
    return _MARKED_FORMULA.sub(r"\1", cell) if "'" in cell else cell
