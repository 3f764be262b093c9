"""Files of leads as rows: dialects, encodings, JSON, and what is refused."""

import gzip
import io
import json
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common.imports.files import form_of, read_rows, survey
from common.imports.mapping import Mapping
from common.problems import MalformedRequest, Problem, TooLarge
from tests.support.imports import csv_of, rows_of

MIB = 1024 * 1024
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=12)
# As of a spreadsheet: no cell begins with the apostrophe that stands before a formula.
PLAIN = CELLS.filter(lambda cell: not cell.startswith("'") and cell.strip() != "")


class Endless(io.RawIOBase):
    """A file of `size` bytes that repeats a piece, and is held nowhere."""

    def __init__(self, start: bytes, piece: bytes, size: int) -> None:
        self._start, self._piece, self._size, self._at = start, piece * 65536, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        left = min(len(buffer), self._size - self._at, len(self._piece))
        start = self._start[self._at : self._at + left]
        piece = start or self._piece[:left]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quoting", [0, 1])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_dialect_of_a_file_is_found_out(
    delimiter: str, line_end: str, quoting: int, encoding: str
) -> None:
    table = [["id", "Société", "note"], ["1", "Café", 'a "b", c;d\te|f\r\ng'], ["2", "", "x"]]

    content = csv_of(table, encoding, delimiter=delimiter, lineterminator=line_end, quoting=quoting)

    assert [list(row.cells) for row in rows_of(content)] == table[1:]
    assert rows_of(content)[0].names == ("id", "Société", "note")


@given(
    st.lists(st.lists(PLAIN, min_size=2, max_size=2), min_size=1, max_size=5),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([0, 1]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(['"', "'"]),
)
def test_same_rows_in_any_dialect_are_the_same(
    rows: list[list[str]],
    delimiter: str,
    line_end: str,
    quoting: int,
    encoding: str,
    quote: str,
) -> None:
    # Python's writer leaves a line end without quotes where lines end with another.
    assume(quoting or not any({*"\r\n"} & {*cell} for row in rows for cell in row))
    content = csv_of(
        [["one", "two"], *rows],
        encoding,
        delimiter=delimiter,
        lineterminator=line_end,
        quoting=quoting,
        quotechar=quote,
    )

    assert [list(row.cells) for row in rows_of(content, quote=quote)] == rows


def test_encoding_without_a_mark_is_the_mappings() -> None:
    content = "id;Téléphone\n1;é\n".encode("windows-1252")

    assert rows_of(content, encoding="windows-1252")[0].names == ("id", "Téléphone")
    with pytest.raises(MalformedRequest, match="not utf-8 behind row 0; name its `encoding`"):
        rows_of(content)


def test_line_that_names_the_separator_is_no_row() -> None:
    rows = rows_of(b"sep=;\r\na;b,c\r\n1;2\r\n")

    assert [(row.names, row.cells) for row in rows] == [(("a", "b,c"), ("1", "2"))]


def test_blank_rows_and_missing_last_cells_are_fine() -> None:
    rows = rows_of(b"\n\na,b\n\n1\n,,\n3,4\n")

    assert [(row.number, row.cells) for row in rows] == [(1, ("1",)), (2, ("3", "4"))]


@pytest.mark.parametrize(
    "content",
    [
        b'[{"a": 1, "b": {"c": "x"}}, {"a": 2}]',
        b'{"a": 1, "b": {"c": "x"}}\n{"a": 2}\n',
        b'\n{"a": 1,\n "b": {"c": "x"}}{"a": 2}',
        b'\xef\xbb\xbf[\n{"a": 1, "b": {"c": "x"}}\n,\n{"a": 2}\n]\n',
    ],
)
def test_json_is_an_array_or_objects_one_behind_the_other(content: bytes) -> None:
    rows = rows_of(content)

    assert [dict(zip(row.names, row.cells, strict=True)) for row in rows] == [
        {"a": "1", "b.c": "x"},
        {"a": "2"},
    ]


def test_values_of_json_become_text() -> None:
    (row,) = rows_of(
        b'{"id": 12345678901234567890, "n": 1.50, "t": true, "e": null, "l": ["x", {}],'
        b' "user_column_data": [{"column_id": "EMAIL", "string_value": "a@b.c"}],'
        b' "field_data": [{"name": "email", "values": ["d@e.f"]}]}'
    )

    assert dict(zip(row.names, row.cells, strict=True)) == {
        "id": "12345678901234567890",
        "n": "1.50",
        "t": "true",
        "e": "",
        "l": '["x", {}]',
        "user_column_data.EMAIL": "a@b.c",
        "field_data.email": "d@e.f",
    }


@given(st.lists(st.dictionaries(CELLS, CELLS, min_size=1, max_size=3), min_size=1, max_size=40))
def test_json_that_is_cut_into_pieces_anywhere_is_read(items: list[dict[str, str]]) -> None:
    content = "[" + " , ".join(json.dumps(item) + " " * 5000 for item in items) + "]"

    rows = rows_of(content.encode())

    assert [dict(zip(row.names, row.cells, strict=True)) for row in rows] == items


def zip_bomb() -> bytes:
    """A workbook of 64 MiB in some kilobytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(64 * MIB))
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", MalformedRequest, "the file is empty"),
        (b"  \n ", MalformedRequest, "the file is empty"),
        (gzip.compress(bytes(64 * MIB)), MalformedRequest, r"packed \(gzip\)"),
        (zip_bomb(), MalformedRequest, r"a workbook \(XLSX\) or another zip"),
        (b"a,b\n", MalformedRequest, "holds no row"),
        (b'"', MalformedRequest, "row 1 is not CSV: unexpected end of data"),
        (b'"' * 2 * MIB, TooLarge, "or a quotation mark is not closed"),
        (b'""\n' * 10_000, MalformedRequest, "holds no row"),
        (b"," * 2 * MIB, TooLarge, "a row may hold 1048576 characters"),
        (b"[" + b"," * 2 * MIB, MalformedRequest, "row 1 is not JSON"),
        (b"[]", MalformedRequest, "holds no row"),
        (b"a,b\n1,\0\n", MalformedRequest, r"line 2 holds the character U\+0000"),
        (b"a,b\n".decode().encode("utf-16-le"), MalformedRequest, r"U\+0000"),
        (b"\xff\xfe\0\0a\0\0\0", MalformedRequest, "UTF-32"),
        (b"a,b\n1,\xff\n", MalformedRequest, "is not utf-8"),
        (b'a,b\n1,"x\n', MalformedRequest, "row 1 is not CSV"),
        (b'a,b\n1,2\n1,"x"y\n', MalformedRequest, "row 2 is not CSV"),
        (b",".join([b"a"] * 10_000) + b"\n1\n", TooLarge, "may have 500 columns"),
        (b"a,b\n" + b"x" * (MIB + 1), TooLarge, "a row may hold 1048576 characters; line 2"),
        (b'a,b\n"' + b"x\n" * MIB, TooLarge, "or a quotation mark is not closed"),
        (b'a,b\n"' + b'x","\n' * MIB, TooLarge, "a row may hold 1048576 characters"),
        (b'{"a": 1} x', MalformedRequest, "row 2 is not JSON"),
        (b'[{"a": 1}', MalformedRequest, "row 2 is not JSON: it ends too early"),
        (b'[{"a": 1}] {}', MalformedRequest, "something stands behind the array"),
        (b"[1]", MalformedRequest, "row 1 is not a JSON object"),
        (b'{"a": 1, "a": 2}', MalformedRequest, "a member twice"),
        (b'{"a": NaN}', MalformedRequest, "NaN"),
        (b'{"a": "\0"}', MalformedRequest, r"U\+0000"),
        (b'{"a": "\\u0000"}', MalformedRequest, r"row 1 holds U\+0000"),
        (b'{"a": {"b": ["\\ud800"]}}', MalformedRequest, "half of a character"),
        (b'{"a": ' + b"[" * 100_000, MalformedRequest, "nested too deeply"),
        (b'{"a": "' + b"x" * 3 * MIB + b'"}', Problem, "row"),
        (
            b"{%s}" % b",".join(b'"%d":1' % number for number in range(10_000)),
            TooLarge,
            "500 columns",
        ),
        (
            b"\n".join(b'{"k%d": 1}' % number for number in range(501)),
            TooLarge,
            "may have 500 columns",
        ),
    ],
)
def test_hostile_file_is_refused(content: bytes, kind: type[Problem], words: str) -> None:
    stream = io.BytesIO(content)

    with pytest.raises(kind, match=words):
        survey(stream, form_of(stream, Mapping()))


@pytest.mark.parametrize(
    ("start", "piece"),
    [(b"a,b\n", b"x"), (b'a,b\n"', b'x"",\n'), (b'[{"a": "', b"x"), (b'[{"a": ', b"[1],")],
)
def test_line_of_a_gigabyte_costs_little_time_and_memory(start: bytes, piece: bytes) -> None:
    stream = io.BufferedReader(Endless(start, piece, 1024 * MIB))
    began = time.monotonic()
    tracemalloc.start()

    with pytest.raises(Problem):
        survey(stream, form_of(stream, Mapping()))

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 60 * MIB
    assert time.monotonic() - began < 10


def test_memory_does_not_grow_with_the_rows() -> None:
    stream = io.BufferedReader(Endless(b"a,b\n", b"12345,67890\n", 3 * MIB))
    tracemalloc.start()

    rows = iterate(read_rows(stream, form_of(stream, Mapping())))

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows > 250_000
    assert most < 4 * MIB


def iterate(rows: Iterator[Any]) -> int:
    return sum(1 for _ in rows)
