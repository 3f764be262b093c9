"""Parsing a posted body into valid leads and refusals.

Invariant: a parsed lead has no form that the database would refuse, and every refusal names its
field by JSON pointer with a stable code (docs/billing-rules.md, What is refused).
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NoReturn

from pydantic import (
    FailFast,
    TypeAdapter,
    ValidationError,
)

from common.identifiers import (
    MAX_ID_LENGTH,
)
from common.leads.results import Result, Status, summary
from common.leads.schemas import Lead
from common.leads.validation_errors import REPEATED_MEMBER, field_error
from common.problems import FieldError, MalformedRequest, TooLarge

MAX_LEADS = 1_000
MAX_BODY_BYTES = 6 * 1024 * 1024  # what AWS hands to a function at the most
MAX_MEMBERS = 50  # of one JSON object; a lead has seven
MAX_ERRORS_PER_LEAD = 100
MAX_ERRORS = 4_000  # of one request; from then on each refused lead is told its first only
CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)  # a day to spare for any zone's month


@dataclass(frozen=True, slots=True)
class Posted:
    """A read request: its valid leads by index, and the results of those refused."""

    is_array: bool
    leads: dict[int, Lead]
    refused: list[Result]


_ONE_LEAD = TypeAdapter(Lead)
_ALL_LEADS = TypeAdapter(Annotated[list[Lead], FailFast()])


def read_leads(body: str | bytes, now: datetime) -> Posted:
    """Reads and validates a posted body.

    Raises MalformedRequest when it is not one JSON object or a non-empty array, and TooLarge when
    it is over `MAX_BODY_BYTES`, holds more than `MAX_LEADS` leads or an object of more than
    `MAX_MEMBERS` members, or is a single lead with more than `MAX_ACTIONS` actions.
    """
    size = len(body if isinstance(body, bytes) else body.encode(errors="surrogatepass"))
    if size > MAX_BODY_BYTES:
        raise TooLarge(f"a request may hold {MAX_BODY_BYTES} bytes; this one holds {size}")
    document = _parse(body)
    is_array = isinstance(document, list)
    items = document if isinstance(document, list) else [document]
    if is_array and not items:
        raise MalformedRequest("the array holds no lead")
    if not is_array and not isinstance(document, dict):
        raise MalformedRequest("the body is neither a lead nor an array of leads")
    if len(items) > MAX_LEADS:
        raise TooLarge(f"a request may hold {MAX_LEADS} leads; this one holds {len(items)}")
    posted = _validate(items, now, is_array=is_array)
    if not is_array and posted.refused:
        errors = posted.refused[0].errors
        if any(error.code == "too_many_actions" for error in errors):
            raise TooLarge(errors[0].detail, errors, extra=summary(posted.refused, is_array=False))
    return posted


def validate_lead(item: Mapping[str, Any], now: datetime) -> Lead | list[FieldError]:
    """One lead from its JSON members, or why it is refused. Pointers begin at the lead."""
    try:
        lead = _ONE_LEAD.validate_python(item)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return [field_error(detail) for detail in details[:MAX_ERRORS_PER_LEAD]]
    return _out_of_range(lead, now) or lead


def _validate(items: list[Any], now: datetime, *, is_array: bool) -> Posted:
    try:
        leads = dict(enumerate(_ALL_LEADS.validate_python(items)))
    except ValidationError:
        leads = {}
    if leads and not any(_out_of_range(lead, now) for lead in leads.values()):
        return Posted(is_array, leads, [])
    leads, refused, told = {}, [], 0
    for index, item in enumerate(items):
        outcome = validate_lead(item, now)
        if isinstance(outcome, Lead):
            leads[index] = outcome
            continue
        # The answer to a body of nothing but errors must still fit what AWS hands back.
        errors = outcome[: max(1, MAX_ERRORS - told)]
        told += len(errors)
        refused.append(Result(index, _claimed_id(item), Status.INVALID, errors=errors))
    return Posted(is_array, leads, refused)


def _claimed_id(item: object) -> str | None:
    claimed = item.get("lead_id") if isinstance(item, dict) else None
    if not isinstance(claimed, str) or len(claimed) > MAX_ID_LENGTH:
        return None
    return claimed.encode(errors="replace").decode()


def _out_of_range(lead: Lead, now: datetime) -> list[FieldError]:
    latest = now + CLOCK_SKEW
    errors = []
    if not EARLIEST <= lead.created_at <= latest:
        errors.append(_time_error("/created_at", lead.created_at, latest))
    errors += [
        _time_error(f"/actions/{number}/timestamp", action.timestamp, latest)
        for number, action in enumerate(lead.actions)
        if not EARLIEST <= action.timestamp <= latest
    ]
    return errors[:MAX_ERRORS_PER_LEAD]


def _time_error(pointer: str, when: datetime, latest: datetime) -> FieldError:
    if when > latest:
        return FieldError(
            pointer, "timestamp_in_future", "lies more than 5 minutes ahead of our clock"
        )
    return FieldError(pointer, "timestamp_out_of_range", "lies before the year 1")


def _parse(body: str | bytes) -> Any:
    try:
        return json.loads(
            body if isinstance(body, str) else body.decode(),
            object_pairs_hook=_members,
            parse_constant=_refuse_constant,
            # No member is a number, so a number's value never matters, only that it is one.
            parse_int=float,
        )
    except RecursionError:
        raise MalformedRequest("the body is nested too deeply") from None
    except ValueError as error:
        raise MalformedRequest(f"the body is not JSON in UTF-8: {_reason(error)}") from None


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return str(error)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_MEMBERS:
        raise TooLarge(f"an object may hold {MAX_MEMBERS} members; one holds {len(pairs)}")
    members = dict(pairs)
    if len(members) < len(pairs):
        seen = Counter(name for name, _ in pairs)
        members |= {REPEATED_MEMBER + name: None for name, times in seen.items() if times > 1}
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")
