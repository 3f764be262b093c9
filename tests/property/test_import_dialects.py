"""The same rows, written in any way that a file of leads may have, are the same leads."""

import json
from typing import Any, NamedTuple, get_args

from hypothesis import given
from hypothesis import strategies as st

from common.imports.mapping import Encoding
from tests.support.imports import GENERIC_HEADER, generic_row, leads_of
from tests.support.properties import examples

# Encodings by what the mapping says of them: nothing, or their name.
ENCODINGS: list[tuple[str, str | None]] = [
    ("utf-8", None),
    ("utf-8-sig", None),
    ("utf-16", None),
    *((name, name) for name in get_args(Encoding)),
]
# Columns that no mapping asks for, one of them as a mended file has it.
OTHER_COLUMNS = ['note, or "remark";\nof a person', "=formula", "refused_reason"]
CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0\ufeff") | st.sampled_from(
    "aé€łЖあ漢한"  # some that each encoding holds
)
MARKS = ["", ",", ";", "\t", "|", '"', "'", "\n", "\r\n", " ", "-1"]


class Dialect(NamedTuple):
    """How a table is written as CSV."""

    delimiter: str
    line_end: str
    quote: str
    is_named: bool  # by a line before the header
    blank_lines: int

    def cell(self, text: str, *, is_quoted: bool) -> str:
        if not is_quoted and not {self.delimiter, self.quote, "\r", "\n"} & {*text}:
            return text
        return self.quote + text.replace(self.quote, self.quote * 2) + self.quote


DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quote=st.sampled_from(['"', "'"]),
    is_named=st.booleans(),
    blank_lines=st.integers(0, 3),
)


@st.composite
def texts(draw: st.DrawFn, encoding: str) -> str:
    """A cell that the encoding can hold, and that no spreadsheet marked as text."""
    text = draw(st.text(CHARACTERS, max_size=9)) + draw(st.sampled_from(MARKS))
    return text.encode(encoding, "ignore").decode(encoding).lstrip("'\ufeff")


@st.composite
def tables(draw: st.DrawFn, encoding: str) -> list[dict[str, str]]:
    """Rows of the preset `generic`, and of columns that are nobody's."""
    rows = []
    for number in range(draw(st.integers(1, 4))):
        cells = {
            name: draw(texts(encoding))
            for name in ("product_id", "lead_type", "email", "action_type")
        }
        row = dict(zip(GENERIC_HEADER, generic_row(f"lead-{number}", **cells), strict=True))
        rows.append(row | {name: draw(texts(encoding)) for name in OTHER_COLUMNS})
    return rows


@examples(60)
@given(st.data(), DIALECTS, st.sampled_from(ENCODINGS))
def test_same_rows_in_any_dialect_are_the_same_leads(
    data: st.DataObject, dialect: Dialect, encoding: tuple[str, str | None]
) -> None:
    codec, named = encoding
    table = data.draw(tables(codec))
    known, other = GENERIC_HEADER + OTHER_COLUMNS[:-1], OTHER_COLUMNS[-1:]
    columns = [*data.draw(st.permutations(known)), *data.draw(st.sampled_from([[], other]))]
    mapping = {"quote": dialect.quote} | ({"encoding": named} if named else {})
    lines = [f"sep={dialect.delimiter}"] if dialect.is_named else []
    lines += [""] * data.draw(st.integers(0, 2)) if not dialect.is_named else []
    for cells in ([*columns], *([row[name] for name in columns] for row in table)):
        quoted = data.draw(st.lists(st.booleans(), min_size=len(cells), max_size=len(cells)))
        lines.append(
            dialect.delimiter.join(
                dialect.cell(text, is_quoted=is_quoted)
                for text, is_quoted in zip(cells, quoted, strict=True)
            )
        )
        lines += [""] * data.draw(st.integers(0, 1))
    text = dialect.line_end.join(lines) + dialect.line_end * dialect.blank_lines

    leads = leads_of(text.encode(codec), **mapping)

    assert leads == leads_of(json.dumps(table).encode())
    assert leads == leads_of("\n".join(map(json.dumps, table)).encode())
    assert [lead["lead_id"] for lead in _read(leads)] == [row["lead_id"] for row in table]


def _read(leads: list[Any]) -> list[dict[str, Any]]:
    """The leads, none of which was refused."""
    assert all(isinstance(lead, dict) for lead in leads)
    return leads
