"""A file that was read once: what it holds, and how its rows become leads."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile
from typing import BinaryIO

from common.imports.files import FileForm, Row, Survey, form_of, read_rows, survey
from common.imports.mapped_rows import RowMapper
from common.imports.presets import ChosenMapping
from common.imports.refused_rows import RefusedRows


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file whose form is known, whose rows can be read, and which its mapping fits."""

    stream: BinaryIO
    form: FileForm
    held: Survey
    chosen: ChosenMapping
    mapper: RowMapper

    @property
    def refused_rows(self) -> RefusedRows:
        return RefusedRows(self.held.names, self.form, self.mapper)

    def rows(self, first: int = 1) -> Iterator[Row]:
        """The rows from number `first` on."""
        return dropwhile(lambda row: row.number < first, read_rows(self.stream, self.form))


def open_file(stream: BinaryIO, chosen: ChosenMapping) -> OpenedFile:
    """Reads a file once. Raises MalformedRequest, TooLarge, and Invalid for a mapping that does
    not fit: all that can be wrong with a file as a whole."""
    form = form_of(stream, chosen.whole)
    held = survey(stream, form)
    mapper = RowMapper(chosen.whole)
    mapper.require_columns(held, chosen.given)
    return OpenedFile(stream, form, held, chosen, mapper)
