"""Reading a file of leads: CSV, JSON or a JSON object a line, as rows of text, one at a time.

Invariant: whatever the file holds, no more than a row and a buffer of it are in memory, and what
cannot be read is refused with the number of its row. Rows are counted from 1, below the header.
"""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_SET, TextIOWrapper
from itertools import chain
from typing import Any, BinaryIO, NamedTuple, NoReturn

from common.formulas import with_formula
from common.imports.mapping import Mapping
from common.problems import MalformedRequest, TooLarge

MAX_ROW_CHARACTERS = 1024 * 1024
MAX_COLUMNS = 500
_SAMPLE_BYTES = 64 * 1024
_PIECE_CHARACTERS = 64 * 1024
_DELIMITERS = ",;\t|"
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_SPACE = re.compile(r"[ \t\r\n]*")
_MARKS = (  # UTF-32's begins like UTF-16's
    (b"\xff\xfe\x00\x00", None),
    (b"\x00\x00\xfe\xff", None),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_NO_TEXT_FILES = (
    (b"PK\x03\x04", "a workbook (XLSX) or another zip; save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "a workbook (XLS); save it as CSV"),
    (b"\x1f\x8b", "packed (gzip); unpack it first"),
)
# What `refused.csv` has beside the columns of its file: a mended file may still have them.
REFUSAL_COLUMNS = ("refused_pointer", "refused_code", "refused_reason")


class Row(NamedTuple):
    """One row: its number, the names of its columns, and its cells as they stand in the file.

    A row of CSV may have fewer cells than names, or more.
    """

    number: int
    names: tuple[str, ...]
    cells: tuple[str, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.cells))


@dataclass(frozen=True, slots=True)
class FileForm:
    """How a file is to be read, and how rows of it are written as CSV."""

    encoding: str
    delimiter: str = ","
    quote: str = '"'
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """What a file holds: how many rows, and all names of its columns in order."""

    rows: int
    names: tuple[str, ...]


def form_of(stream: BinaryIO, mapping: Mapping) -> FileForm:
    """How to read a file, by its beginning and by what the mapping says.

    Raises MalformedRequest for an empty file, or one that cannot be text.
    """
    stream.seek(0, SEEK_SET)
    start = stream.read(_SAMPLE_BYTES)
    for mark, what in _NO_TEXT_FILES:
        if start.startswith(mark):
            raise MalformedRequest(f"the file is {what}")
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), "")
    if marked is None:
        raise MalformedRequest("the file is in UTF-32; save it as UTF-8")
    encoding = marked or mapping.encoding or "utf-8"
    text = start.decode(encoding, errors="replace").lstrip("\ufeff")
    first = text.lstrip()[:1]
    if not first:
        raise MalformedRequest("the file is empty")
    if first in "[{":
        return FileForm(encoding, mapping.delimiter or ",", mapping.quote, is_json=True)
    delimiter = mapping.delimiter or _delimiter(text.lstrip("\r\n"), mapping.quote)
    return FileForm(encoding, delimiter, mapping.quote)


def survey(stream: BinaryIO, form: FileForm) -> Survey:
    """Reads the whole file once. Raises what `read_rows` raises, before anything is stored."""
    rows = 0
    names: dict[str, None] = {}
    known: tuple[str, ...] = ()
    for row in read_rows(stream, form):
        rows += 1
        if row.names is not known:
            known = row.names
            names |= dict.fromkeys(known)
            if len(names) > MAX_COLUMNS:
                _refuse_columns(len(names))
    if not rows:
        raise MalformedRequest("the file holds no row")
    return Survey(rows, tuple(names))


def read_rows(stream: BinaryIO, form: FileForm) -> Iterator[Row]:
    """The file's rows from its beginning; blank ones are left out.

    Raises MalformedRequest for what is not of the form, and TooLarge for a row that is over
    `MAX_ROW_CHARACTERS` or `MAX_COLUMNS`.
    """
    stream.seek(0, SEEK_SET)
    text = TextIOWrapper(stream, form.encoding, newline="")
    number = 0
    try:
        for row in _json_rows(text) if form.is_json else _csv_rows(text, form):
            number = row.number
            yield row
    except UnicodeDecodeError:
        raise MalformedRequest(
            f"the file is not {form.encoding} behind row {number}; name its `encoding` in the "
            "mapping, such as windows-1252"
        ) from None
    finally:
        text.detach()


def _csv_rows(text: TextIOWrapper, form: FileForm) -> Iterator[Row]:
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=form.delimiter, quotechar=form.quote, strict=True)
    names: tuple[str, ...] = ()
    kept = number = 0
    is_mended = False
    csv.field_size_limit(MAX_ROW_CHARACTERS)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise MalformedRequest(f"row {number + 1} is not CSV: {error}") from None
        lines.taken = 0
        if len(cells) > MAX_COLUMNS:
            _refuse_columns(len(cells))
        if not any(cells):
            continue
        if not names:
            if (len(cells) == 2 and cells[0] == "sep=") or re.fullmatch("sep=.?", cells[0]):
                continue  # by which some programs name their separator
            names = tuple(with_formula(name.strip()) for name in cells)
            kept = len(names)
            while kept and names[kept - 1] in REFUSAL_COLUMNS:
                kept -= 1
            is_mended = kept < len(names)
            names = names[:kept]
            continue
        number += 1
        if is_mended:
            cells = cells[:kept]
        yield Row(number, names, tuple(map(with_formula, cells)))


class _Lines:
    """The lines of a text, within the limit of a row; `taken` counts what a row has had."""

    def __init__(self, text: TextIOWrapper) -> None:
        self._text = text
        self._lines = 0
        self.taken = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_ROW_CHARACTERS + 1)
        if not line:
            raise StopIteration
        self._lines += 1
        self.taken += len(line)
        if self.taken > MAX_ROW_CHARACTERS:
            raise TooLarge(
                f"a row may hold {MAX_ROW_CHARACTERS} characters; line {self._lines} goes on "
                "longer, or a quotation mark is not closed"
            )
        if "\0" in line:
            raise MalformedRequest(
                f"line {self._lines} holds the character U+0000: the file is not text, or is "
                "UTF-16, to be named as `encoding` in the mapping"
            )
        return line


def _json_rows(text: TextIOWrapper) -> Iterator[Row]:
    names: tuple[str, ...] = ()
    for number, item in enumerate(_json_items(text), start=1):
        if not isinstance(item, dict):
            raise MalformedRequest(f"row {number} is not a JSON object")
        cells = dict(_flat(item))
        if _NO_TEXT.search("".join(chain(cells, cells.values()))):
            raise MalformedRequest(f"row {number} holds U+0000, or half of a character")
        if tuple(cells) != names:
            names = tuple(cells)
            if len(names) > MAX_COLUMNS:
                _refuse_columns(len(names))
        yield Row(number, names, tuple(cells.values()))


def _json_items(text: TextIOWrapper) -> Iterator[Any]:
    """The items of one JSON array, or JSON objects one behind the other, as one a line."""
    decoder = json.JSONDecoder(
        parse_int=str, parse_float=str, parse_constant=_refuse_constant, object_pairs_hook=_members
    )
    buffer = _more(text, _PIECE_CHARACTERS).lstrip("\ufeff \t\r\n")
    is_array = buffer.startswith("[")
    place, number, is_over = int(is_array), 0, False
    while True:
        place = _SPACE.match(buffer, place).end()  # type: ignore[union-attr]
        if is_array and number and buffer[place : place + 1] == ",":
            place = _SPACE.match(buffer, place + 1).end()  # type: ignore[union-attr]
        if is_array and buffer[place : place + 1] == "]":
            if buffer[place + 1 :].strip() or _more(text, _PIECE_CHARACTERS).strip():
                raise MalformedRequest(f"something stands behind the array of {number} rows")
            return
        problem = "it ends too early"
        if place < len(buffer):
            try:
                item, end = decoder.raw_decode(buffer, place)
            except RecursionError:
                raise MalformedRequest(f"row {number + 1} is nested too deeply") from None
            except json.JSONDecodeError as error:
                problem = error.msg
            else:
                if end - place > MAX_ROW_CHARACTERS:
                    raise TooLarge(f"a row may hold {MAX_ROW_CHARACTERS} characters")
                yield item
                number, place = number + 1, end
                continue
        elif is_over and not is_array:
            return
        # An item that is cut off here may go on in the next piece. A comma is left for it too.
        rest = len(buffer) - place
        if is_over or rest > MAX_ROW_CHARACTERS:
            raise MalformedRequest(f"row {number + 1} is not JSON: {problem}")
        piece = _more(text, max(_PIECE_CHARACTERS, rest))
        is_over = not piece
        buffer, place = buffer[place:] + piece, 0


def _more(text: TextIOWrapper, characters: int) -> str:
    piece = text.read(characters)
    if "\0" in piece:
        raise MalformedRequest("the file holds the character U+0000")
    return piece


def _flat(item: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The members as text, those of an object under `outer.inner`.

    A list of named values, such as Google's `user_column_data`, is like an object.
    """
    for name, value in item.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and all(map(_is_named, value)):
            yield from _flat(dict(map(_named, value)), f"{prefix}{name}.")
        elif isinstance(value, str):
            yield prefix + name, value
        elif isinstance(value, bool):
            yield prefix + name, "true" if value else "false"
        else:
            yield prefix + name, "" if value is None else json.dumps(value, ensure_ascii=False)


def _is_named(entry: object) -> bool:
    return isinstance(entry, dict) and (
        isinstance(entry.get("column_id"), str)
        or (isinstance(entry.get("name"), str) and isinstance(entry.get("values"), list))
    )


def _named(entry: dict[str, Any]) -> tuple[str, Any]:
    if "column_id" in entry:
        return entry["column_id"], entry.get("string_value")
    return entry["name"], next(iter(entry["values"]), None)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise MalformedRequest("a JSON object of the file holds a member twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedRequest(f"the file is not JSON: {name} is not a JSON value")


def _refuse_columns(columns: int) -> NoReturn:
    raise TooLarge(f"a file may have {MAX_COLUMNS} columns; this one has {columns} or more")


def _delimiter(text: str, quote: str) -> str:
    """The separator of a header: what stands in it most often, outside quotation marks."""
    named = re.match(r"sep=(.)\r?\n", text, re.IGNORECASE)
    if named:
        return named[1]
    counts = dict.fromkeys(_DELIMITERS, 0)
    is_quoted = False
    for character in text:
        if character == quote:
            is_quoted = not is_quoted
        elif not is_quoted and character in "\r\n":
            break
        elif not is_quoted and character in counts:
            counts[character] += 1
    return max(counts, key=lambda delimiter: counts[delimiter])
