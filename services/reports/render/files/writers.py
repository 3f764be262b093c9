"""Tables as files: CSV, NDJSON, Parquet and XLSX, of which only some rows are in memory.

Invariant: a cell of a file for spreadsheets is never a formula, and an id stays the text it is.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from common.billing_period import instant
from common.exports.table import Column, Kind, Table
from common.formulas import without_formula
from common.money import amount
from services.reports.render.as_csv import BYTE_ORDER_MARK

_ROWS_AT_ONCE = 1_000
_ROWS_OF_A_GROUP = 20_000
_ROWS_OF_A_SHEET = 1_000_000  # Excel has 1,048,576, one of them for the header
_GZIP_LEVEL = 4  # 6 takes twice the time for 5% less
_CACHED_TEXTS = 20_000

# Called with how many rows were written since it was last called.
Wrote = Callable[[int], None]
_plain = lru_cache(maxsize=_CACHED_TEXTS)(without_formula)


class CsvStyle(NamedTuple):
    """What separates cells, and the whole of an amount from its cents."""

    delimiter: str = ","
    decimal_mark: str = "."


def write_csv(table: Table, path: Path, wrote: Wrote, style: CsvStyle | None = None) -> None:
    """Compressed by gzip. Dates as 2024-04-30, instants as RFC 3339 in UTC."""
    style = style or CsvStyle()
    as_text = [_csv_text(column, style) for column in table.columns]
    with _gzipped(path) as file:
        file.write(BYTE_ORDER_MARK)
        rows = csv.writer(file, delimiter=style.delimiter)
        rows.writerow(column.name for column in table.columns)
        for piece in _pieces(table, _ROWS_AT_ONCE):
            rows.writerows(
                [
                    "" if value is None else text(value)
                    for text, value in zip(as_text, row, strict=True)
                ]
                for row in piece
            )
            wrote(len(piece))


def write_ndjson(table: Table, path: Path, wrote: Wrote) -> None:
    """Compressed by gzip: an object a line, amounts as decimal texts."""
    names = [column.name for column in table.columns]
    as_json = [_JSON[column.kind] for column in table.columns]
    with _gzipped(path) as file:
        for piece in _pieces(table, _ROWS_AT_ONCE):
            for row in piece:
                members = {
                    name: None if value is None else value_of(value)
                    for name, value_of, value in zip(names, as_json, row, strict=True)
                }
                file.write(json.dumps(members, ensure_ascii=False))
                file.write("\n")
            wrote(len(piece))


def write_parquet(table: Table, path: Path, wrote: Wrote) -> None:
    """Amounts as decimals, instants in UTC to the microsecond."""
    import pyarrow as arrow  # noqa: PLC0415 - large, and for this format only
    from pyarrow import parquet  # noqa: PLC0415

    types = {
        Kind.TEXT: arrow.string(),
        Kind.CODE: arrow.string(),
        Kind.AMOUNT: arrow.decimal128(18, 2),
        Kind.COUNT: arrow.int64(),
        Kind.MOMENT: arrow.timestamp("us", tz="UTC"),
        Kind.DATE: arrow.date32(),
    }
    schema = arrow.schema([(column.name, types[column.kind]) for column in table.columns])
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for piece in _pieces(table, _ROWS_OF_A_GROUP):
            values = zip(*piece, strict=True)
            arrays = [
                arrow.array(
                    map(_decimal, column_values) if column.kind is Kind.AMOUNT else column_values,
                    types[column.kind],
                )
                for column, column_values in zip(table.columns, values, strict=True)
            ]
            writer.write_batch(arrow.record_batch(arrays, schema=schema))
            wrote(len(piece))


def write_xlsx(table: Table, path: Path, wrote: Wrote) -> None:
    """Texts are cells of text, whatever they look like; more rows than fit go on another sheet."""
    from xlsxwriter import Workbook  # noqa: PLC0415 - for this format only

    book = Workbook(str(path), {"constant_memory": True, "tmpdir": str(path.parent)})
    try:
        _fill(book, table, wrote)
        book.close()
    finally:
        for sheet in book.worksheets():
            sheet.row_data_fh.close()  # where the export was interrupted, the library does not


def _fill(book: Any, table: Table, wrote: Wrote) -> None:
    cells = [_cell_writer(book, column.kind) for column in table.columns]
    bold = book.add_format({"bold": True})
    place = _ROWS_OF_A_SHEET + 1
    for piece in _pieces(table, _ROWS_AT_ONCE, is_never_empty=True):
        if place > _ROWS_OF_A_SHEET:
            sheet, place = book.add_worksheet(), 1
            sheet.freeze_panes(1, 0)
            for number, column in enumerate(table.columns):
                sheet.write_string(0, number, column.name, bold)
        for row in piece:
            for number, (write, value) in enumerate(zip(cells, row, strict=True)):
                if value is not None:
                    write(sheet, place, number, value)
            place += 1
        wrote(len(piece))


def _cell_writer(book: Any, kind: Kind) -> Callable[[Any, int, int, Any], None]:
    """Writes a value of this kind to a sheet, at a row and column."""
    match kind:
        case Kind.AMOUNT:
            # A spreadsheet knows no decimals; the nearest double shows the cents exactly.
            shown = book.add_format({"num_format": "#,##0.00"})
            return lambda sheet, row, column, cents: sheet.write_number(
                row, column, cents / 100, shown
            )
        case Kind.COUNT:
            return lambda sheet, *place: sheet.write_number(*place)
        case Kind.MOMENT:
            shown = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
            return lambda sheet, row, column, value: sheet.write_datetime(
                row, column, value.replace(tzinfo=None), shown
            )
        case Kind.DATE:
            shown = book.add_format({"num_format": "yyyy-mm-dd"})
            return lambda sheet, *place: sheet.write_datetime(*place, shown)
    shown = book.add_format({"num_format": "@"})
    return lambda sheet, *place: sheet.write_string(*place, shown)


def _pieces(
    table: Table, size: int, *, is_never_empty: bool = False
) -> Iterator[list[tuple[Any, ...]]]:
    if is_never_empty:
        yield list(islice(table.rows, size))
    while piece := list(islice(table.rows, size)):
        yield piece


def _gzipped(path: Path) -> io.TextIOWrapper:
    # Without a time in its header, the same rows are the same bytes.
    packed = gzip.GzipFile(path, "wb", compresslevel=_GZIP_LEVEL, mtime=0)
    return io.TextIOWrapper(packed, encoding="utf-8", newline="")


def _csv_text(column: Column, style: CsvStyle) -> Callable[[Any], str]:
    if column.kind is Kind.TEXT:
        return _plain
    if column.kind is Kind.AMOUNT:
        if style.decimal_mark == ".":
            return _amount
        return lambda cents: amount(cents).replace(".", style.decimal_mark)
    return _JSON[column.kind] if column.kind is not Kind.COUNT else str


def _decimal(cents: int | None) -> Decimal | None:
    return None if cents is None else Decimal(cents).scaleb(-2)


_amount = lru_cache(maxsize=_CACHED_TEXTS)(amount)
_JSON: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: lambda text: text,
    Kind.CODE: lambda code: code,
    Kind.AMOUNT: _amount,
    Kind.COUNT: lambda number: number,
    Kind.MOMENT: instant,
    Kind.DATE: lambda date: date.isoformat(),
}
