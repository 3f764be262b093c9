"""Rows as leads, by a mapping: each row one lead with the actions that it names.

Invariant: a row becomes the same lead wherever it stands in its file, so a file can be cut and
sent again at will. Rows with one `lead_id` are one lead; ingestion puts their actions together.
"""

import json
import re
from collections.abc import Iterable
from collections.abc import Mapping as Members
from dataclasses import dataclass
from typing import Any, NamedTuple

from common.imports.files import Row, Survey
from common.imports.mapping import ACTION_FIELDS, REQUIRED_FIELDS, TIME_FIELDS, Mapping
from common.imports.times import TimeReader, UnreadableTime
from common.problems import FieldError, Invalid

Wire = dict[str, Any]

_ROUNDED = re.compile(r"[0-9][.,][0-9]+[Ee]\+[0-9]+")
_ID_FIELDS = frozenset({"lead_id", "customer_id", "product_id", "user.phone", "user.external_id"})
_TRUE = frozenset({"true", "1", "yes", "t", "y"})
_MAX_LAYOUTS = 1_000


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a field comes from: names of columns, and what stands for an empty cell."""

    names: tuple[str, ...]
    constant: str | None
    values: Members[str, str]
    prefix: str

    def placed(self, places: Members[str, int]) -> "_Placed":
        return _Placed(self, self.place_in(places))

    def place_in(self, places: Members[str, int]) -> int | None:
        return next((places[name] for name in self.names if name in places), None)


class _Placed(NamedTuple):
    """A source, and the place of its cell in a row; None where the row has none."""

    source: _Source
    place: int | None


class RowMapper:
    """Makes leads of the rows of one file."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._times = TimeReader(mapping)
        fields = {*mapping.columns, *mapping.constants} - {"actions"}
        sources: dict[str, _Source] = {name: _source(name, mapping) for name in fields}
        self._lead = {name: it for name, it in sources.items() if name not in ACTION_FIELDS}
        shared = {name: it for name, it in sources.items() if name in ACTION_FIELDS}
        self._actions = [shared] if shared else []
        if mapping.actions is not None:
            self._actions = [
                shared | {name: _source(name, entry) for name in {*entry.columns, *entry.constants}}
                for entry in mapping.actions
            ]
        self._whole = _Source(_names(mapping.columns.get("actions")), None, {}, "")
        self._test = _Source(_names(mapping.test_column), None, {}, "")
        self._layouts: dict[tuple[str, ...], _Layout] = {}

    def require_columns(self, held: Survey, given: Mapping | None = None) -> None:
        """Raises Invalid where a needed field has no source, or a given column is not there."""
        places = _places(held.names)
        errors = []
        for field, columns in given.columns.items() if given else ():
            if not any(_folded(column) in places for column in _list(columns)):
                errors.append(_missing_column(f"/columns/{field}", columns))
        for name in REQUIRED_FIELDS:
            source = self._lead.get(name)
            if not _has_source(source, places) and (given is None or name not in given.columns):
                errors.append(_missing_source(name, source))
        if self._whole.place_in(places) is None:
            errors += self._missing_of_actions(places, given)
        if errors:
            raise Invalid(
                "the mapping does not fit the file, whose columns are "
                + ", ".join(held.names[:50]),
                errors,
            )

    def _missing_of_actions(
        self, places: Members[str, int], given: Mapping | None
    ) -> Iterable[FieldError]:
        told = {*(given.columns if given else ())}
        if self._mapping.actions is None and not self._actions:
            return [_missing_source(name, None) for name in ACTION_FIELDS if name not in told]
        return [
            _missing_source(name, sources.get(name), "" if is_shared else f"/actions/{number}")
            for is_shared in (self._mapping.actions is None,)
            for number, sources in enumerate(self._actions)
            for name in ACTION_FIELDS
            if not _has_source(sources.get(name), places) and name not in told
        ]

    def is_test(self, row: Row) -> bool:
        """Whether the row is a test of its form."""
        test = self._layout(row.names).test
        return test is not None and _cell(row, test).lower() in _TRUE

    def lead_of(self, row: Row, *, with_tests: bool = False) -> Wire | list[FieldError]:
        """The row's lead as POST /leads takes it, or what is wrong with its cells.

        A test of a form is refused, unless `with_tests`.
        """
        if any(row.cells[len(row.names) :]):
            detail = f"the row has {len(row.cells)} cells, and its header {len(row.names)}"
            return [FieldError("", "too_many_cells", detail)]
        layout = self._layout(row.names)
        errors: list[FieldError] = []
        if not with_tests and self.is_test(row):
            errors.append(FieldError("", "test_lead", "is a test of the form, and never billed"))
        lead: Wire = {}
        for name, placed in layout.lead.items():
            value = self._value(name, placed, row, errors)
            outer, _, inner = name.partition(".")
            if value is not None and inner:
                lead.setdefault(outer, {})[inner] = value
            elif value is not None:
                lead[outer] = value
        whole = "" if layout.whole is None else _cell(row, layout.whole)
        lead["actions"] = (
            _whole_actions(whole, errors) if whole else self._actions_of(row, layout, errors)
        )
        return errors or lead

    def _actions_of(self, row: Row, layout: "_Layout", errors: list[FieldError]) -> list[Wire]:
        actions: list[Wire] = []
        for sources in layout.actions:
            places = [place for _, place in sources.values() if place is not None]
            if places and not any(_cell(row, place) for place in places):
                continue  # none of its cells is filled: the row has no such action
            pointer = f"/actions/{len(actions)}/"
            action = {
                name: self._value(name, placed, row, errors, pointer)
                for name, placed in sources.items()
            }
            actions.append({name: value for name, value in action.items() if value is not None})
        return actions

    def _value(
        self,
        name: str,
        placed: "_Placed",
        row: Row,
        errors: list[FieldError],
        pointer: str = "/",
    ) -> str | None:
        source, place = placed
        text = "" if place is None else _cell(row, place)
        if source.prefix and text.startswith(source.prefix):
            text = text[len(source.prefix) :].strip()
        text = source.values.get(text, text) or source.constant or ""
        if not text:
            return None
        where = pointer + name.replace(".", "/")
        if name in _ID_FIELDS and _ROUNDED.fullmatch(text):
            detail = "was rounded by a spreadsheet; format the column as text and save it again"
            errors.append(FieldError(where, "rounded_number", detail))
        if name not in TIME_FIELDS:
            return text
        try:
            return self._times.read(text)
        except UnreadableTime as problem:
            errors.append(FieldError(where, problem.code, problem.detail))
            return None

    def column_of(self, pointer: str, row: Row) -> str | None:
        """The column that a field of the row's lead was read from, by its JSON pointer."""
        layout = self._layout(row.names)
        parts = pointer.strip("/").split("/")
        if parts[0] == "actions" and len(parts) == 3 and len(layout.actions) == 1:
            placed = layout.actions[0].get(parts[2])
        else:
            placed = layout.lead.get(".".join(parts))
        return None if placed is None or placed.place is None else row.names[placed.place]

    def _layout(self, names: tuple[str, ...]) -> "_Layout":
        layout = self._layouts.get(names)
        if layout is None:
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts.clear()
            places = _places(names)
            layout = self._layouts[names] = _Layout(
                {name: source.placed(places) for name, source in self._lead.items()},
                [
                    {name: source.placed(places) for name, source in sources.items()}
                    for sources in self._actions
                ],
                self._whole.place_in(places),
                self._test.place_in(places),
            )
        return layout


@dataclass(frozen=True, slots=True)
class _Layout:
    """The sources of a row's fields with the places of their cells, for one set of columns."""

    lead: dict[str, _Placed]
    actions: list[dict[str, _Placed]]
    whole: int | None
    test: int | None


def _source(name: Any, entry: Any) -> _Source:
    return _Source(
        _names(entry.columns.get(name)),
        entry.constants.get(name),
        entry.values.get(name, {}),
        entry.prefixes.get(name, "") if isinstance(entry, Mapping) else "",
    )


def _list(names: str | list[str] | None) -> list[str]:
    return [names] if isinstance(names, str) else names or []


def _names(names: str | list[str] | None) -> tuple[str, ...]:
    return tuple(map(_folded, _list(names)))


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _places(names: Iterable[str]) -> dict[str, int]:
    """The place of each column by its name; of columns with one name, the first."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        places.setdefault(_folded(name), place)
    return places


def _has_source(source: _Source | None, places: Members[str, int]) -> bool:
    return source is not None and (
        source.constant is not None or source.place_in(places) is not None
    )


def _missing_source(name: str, source: _Source | None, prefix: str = "") -> FieldError:
    known = f" called {' or '.join(source.names)}" if source and source.names else ""
    return FieldError(
        f"{prefix}/columns/{name}",
        "missing_source",
        f"the file has no column{known} for it: name its column, or a constant",
    )


def _missing_column(pointer: str, columns: str | list[str]) -> FieldError:
    named = " or ".join(_list(columns))
    return FieldError(pointer, "unknown_column", f"the file has no column {named}")


def _cell(row: Row, place: int) -> str:
    return row.cells[place].strip() if place < len(row.cells) else ""


def _whole_actions(text: str, errors: list[FieldError]) -> Any:
    try:
        actions = json.loads(text)
        json.dumps(actions, ensure_ascii=False, allow_nan=False).encode()
        if not isinstance(actions, list):
            raise ValueError("no array")
    except (ValueError, RecursionError):
        errors.append(FieldError("/actions", "invalid_json", "must be a JSON array of actions"))
        return None
    return actions
