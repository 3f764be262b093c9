"""Webhooks of lead forms: the JSON of Google and Meta as leads, by a mapping.

Invariant: what arrives is judged as POST /leads judges its leads. A form's test is judged and never
stored.
"""

import hmac
import json
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from itertools import islice
from uuid import UUID

from common.imports.files import FileForm, Row, read_rows
from common.imports.mapped_rows import RowMapper, Wire
from common.imports.mapping import Mapping
from common.imports.presets import ChosenMapping, Preset
from common.json_reader import require_size
from common.leads.parsing import MAX_LEADS, Posted, keyed_leads
from common.leads.results import Result, Status
from common.problems import MalformedRequest, TooLarge
from common.settings import Settings

# Of a body that is read before its sender is known; a form's lead has some hundred bytes.
MAX_UNKNOWN_BYTES = 64 * 1024
_AS_JSON = FileForm("utf-8", is_json=True)


def read_webhook(
    body: str | bytes,
    chosen: ChosenMapping,
    now: datetime,
    settings: Settings,
    owner: UUID | None = None,
) -> Posted:
    """The leads of a webhook's body: one object, or several as an array or one a line.

    A test of a form has no result where it could have been stored. Leads that are not of the
    customer `owner` are refused. Raises MalformedRequest and TooLarge.
    """
    require_size(body)
    content = body.encode(errors="surrogatepass") if isinstance(body, str) else body
    rows = list(islice(_rows(content), MAX_LEADS + 1))
    if len(rows) > MAX_LEADS:
        raise TooLarge(f"a request may hold {MAX_LEADS} leads; this one holds more")
    mapper = RowMapper(_of_a_webhook(chosen, now))
    items: list[Wire] = []
    places: list[int] = []
    refused: list[Result] = []
    tests: set[int] = set()
    for place, row in enumerate(rows):
        lead = mapper.lead_of(row, with_tests=True)
        if isinstance(lead, list):
            refused.append(Result(place, None, Status.INVALID, errors=lead))
            continue
        if mapper.is_test(row):
            tests.add(place)
        items.append(lead)
        places.append(place)
    leads, invalid = keyed_leads(items, now, settings, owner) if items else ({}, [])
    for result in invalid:
        result.index = places[result.index]
    stored = {places[at]: lead for at, lead in leads.items() if places[at] not in tests}
    return Posted(content.lstrip().startswith(b"["), stored, refused + invalid)


def is_key_of(body: str | bytes, key: str) -> bool | None:
    """Whether the body names `key` as its `google_key`; None where it names none.

    Takes as long for a wrong key as for the right one.
    """
    if not key or len(body) > MAX_UNKNOWN_BYTES:
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or "google_key" not in document:
        return None
    named = str(document["google_key"]).encode(errors="replace")
    return hmac.compare_digest(named, key.encode())


def _rows(content: bytes) -> Iterator[Row]:
    rows = read_rows(BytesIO(content), _AS_JSON)
    first = next(rows, None)
    if first is None:
        raise MalformedRequest("the body holds no lead")
    yield first
    yield from rows


def _of_a_webhook(chosen: ChosenMapping, now: datetime) -> Mapping:
    """The mapping; a lead of Google that says no time is of the moment when it arrives."""
    if chosen.preset is not Preset.GOOGLE_ADS:
        return chosen.whole
    moment = now.isoformat()
    arrived = {"created_at": moment, "timestamp": moment}
    return chosen.whole.model_copy(update={"constants": arrived | chosen.whole.constants})
