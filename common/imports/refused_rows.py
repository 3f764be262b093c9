"""Refused rows as a CSV file: as they were, with pointer, code and reason behind them.

Invariant: mended, the file can be imported with the mapping of the first one. A cell that a
spreadsheet would take for a formula has an apostrophe before it, which reading takes off again.
"""

import csv
import io
from collections.abc import Iterable

from common.formulas import without_formula
from common.imports.files import REFUSAL_COLUMNS, FileForm, Row
from common.imports.importing import Refusal
from common.imports.mapped_rows import RowMapper
from common.problems import FieldError

BYTE_ORDER_MARK = "\ufeff"  # without it, spreadsheets do not recognise UTF-8
_MAX_ERRORS = 5


class RefusedRows:
    """Writes the refused rows of one file, under all names of its columns."""

    def __init__(self, names: tuple[str, ...], form: FileForm, mapper: RowMapper) -> None:
        self._names = names
        self._places = {name: place for place, name in reversed(list(enumerate(names)))}
        self._delimiter = form.delimiter
        self._quote = form.quote
        self._mapper = mapper

    def header(self) -> str:
        """The first line."""
        return self._text([[*self._names, *REFUSAL_COLUMNS]])

    def text(self, refusals: Iterable[Refusal]) -> str:
        """A line for each refusal."""
        return self._text([*self._cells(each.row), *self._reasons(each)] for each in refusals)

    def piece(self, rows: Iterable[Row]) -> str:
        """Some rows of the file as a file of their own."""
        return self._text([list(self._names), *map(self._cells, rows)])

    def _cells(self, row: Row) -> list[str]:
        if row.names == self._names:
            missing = len(self._names) - len(row.cells)
            return [*row.cells[: len(self._names)], *[""] * missing]
        cells = [""] * len(self._names)
        for name, cell in reversed(list(zip(row.names, row.cells, strict=False))):
            cells[self._places[name]] = cell  # of columns with one name, the first is read
        return cells

    def _reasons(self, refusal: Refusal) -> list[str]:
        errors = refusal.errors[:_MAX_ERRORS]
        return [
            "; ".join(error.pointer for error in errors),
            "; ".join(error.code for error in errors),
            "; ".join(self._reason(error, refusal) for error in errors),
        ]

    def _reason(self, error: FieldError, refusal: Refusal) -> str:
        column = self._mapper.column_of(error.pointer, refusal.row)
        return f"{column}: {error.detail}" if column else error.detail

    def _text(self, rows: Iterable[list[str]]) -> str:
        piece = io.StringIO()
        writer = csv.writer(piece, delimiter=self._delimiter, quotechar=self._quote)
        writer.writerows([without_formula(cell) for cell in row] for row in rows)
        return piece.getvalue()
