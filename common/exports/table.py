"""A table to export: its columns, and rows that are made as they are read."""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, NamedTuple


class Kind(Enum):
    """What the values of a column are in Python; None is no value."""

    TEXT = auto()  # str, of a caller's making
    CODE = auto()  # str, of ours: a UUID, a month, a closed list
    AMOUNT = auto()  # int, in cents
    COUNT = auto()  # int
    MOMENT = auto()  # datetime
    DATE = auto()  # date


class Column(NamedTuple):
    """A column by its name in the file."""

    name: str
    kind: Kind


class Table(NamedTuple):
    """`rows` are a stream that is read once; each has a value for each column."""

    columns: tuple[Column, ...]
    rows: Iterator[tuple[Any, ...]]
