"""Files of leads in tests: read, mapped, and written in any dialect."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from common.imports.files import Row, form_of, read_rows, survey
from common.imports.mapped_rows import RowMapper, Wire
from common.imports.mapping import Mapping
from common.imports.presets import choose_mapping
from tests.support.api import PROJECT

DATA = PROJECT / "tests" / "data"

GENERIC_HEADER = [
    "lead_id",
    "customer_id",
    "product_id",
    "lead_type",
    "created_at",
    "email",
    "action_type",
    "timestamp",
    "engagement_level",
]


def generic_row(lead_id: str = "lead-1", **cells: str) -> list[str]:
    """A row that the preset `generic` takes: a lead of acme for the product abc, one action."""
    row = {
        "lead_id": lead_id,
        "customer_id": "acme",
        "product_id": "abc",
        "lead_type": "Website Visit",
        "created_at": "2024-04-01T09:55:00Z",
        "email": "ann@people.test",
        "action_type": "Form Submission",
        "timestamp": "2024-04-01T10:05:00Z",
        "engagement_level": "High",
    } | cells
    return [row[name] for name in GENERIC_HEADER]


def csv_of(rows: Sequence[Sequence[str]], encoding: str = "utf-8", **dialect: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, **dialect).writerows(rows)
    return text.getvalue().encode(encoding)


def generic_csv(*rows: list[str]) -> bytes:
    return csv_of([GENERIC_HEADER, *rows])


def rows_of(content: bytes, **mapping: Any) -> list[Row]:
    stream = io.BytesIO(content)
    return list(read_rows(stream, form_of(stream, Mapping.model_validate(mapping))))


def leads_of(content: bytes, preset: str = "generic", **given: Any) -> list[Wire | Any]:
    """The leads of a file, and in place of a refused one its errors by pointer and code."""
    chosen = choose_mapping(json.dumps(given), preset)
    mapping = chosen.whole
    stream = io.BytesIO(content)
    form = form_of(stream, mapping)
    mapper = RowMapper(mapping)
    mapper.require_columns(survey(stream, form), chosen.given)
    leads = [mapper.lead_of(row) for row in read_rows(stream, form)]
    return [
        [(error.pointer, error.code) for error in lead] if isinstance(lead, list) else lead
        for lead in leads
    ]
