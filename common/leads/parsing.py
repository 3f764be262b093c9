"""Parsing a posted body into valid leads with their keys, and refusals.

Invariant: the database refuses no parsed lead. A parsed lead is of the customer whose key sent it,
and its id is derived from that customer's, so a key can neither change nor discover the leads of
another customer. Every refusal names its field by JSON pointer with a stable code
(docs/billing-rules.md, What is refused).
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import FailFast, TypeAdapter, ValidationError

from common.identifiers import MAX_ID_LENGTH
from common.json_reader import read_json, read_json_of_any_depth, require_shallow, require_size
from common.leads.results import Result, Status, summary
from common.leads.schemas import KeyedLead, Lead, with_keys
from common.leads.validation_errors import field_error
from common.problems import FieldError, MalformedRequest, Problem, TooLarge
from common.settings import Settings

MAX_LEADS = 1_000
MAX_ERRORS_PER_LEAD = 100
MAX_ERRORS = 4_000  # of one request; from then on each refused lead is told its first only
CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)  # a day to spare for any zone's month


@dataclass(frozen=True, slots=True)
class Posted:
    """A read request: its valid leads by index, and the results of those refused."""

    is_array: bool
    leads: dict[int, KeyedLead]
    refused: list[Result]


_FOREIGN = FieldError(
    "/customer_id", "foreign_customer", "is not the customer that the key belongs to"
)
_ONE_LEAD = TypeAdapter(Lead)
_ALL_LEADS = TypeAdapter(Annotated[list[Lead], FailFast()])


def read_leads(
    body: str | bytes, now: datetime, settings: Settings, owner: UUID | None = None
) -> Posted:
    """Reads and validates a posted body, and refuses leads that are not of the customer `owner`.

    Raises MalformedRequest when it is not one JSON object or a non-empty array, and TooLarge when
    it is over `MAX_BODY_BYTES`, holds more than `MAX_LEADS` leads or an object of more than
    `MAX_MEMBERS` members, is nested deeper than `MAX_DEPTH`, or is a single lead with more than
    `MAX_ACTIONS` actions.
    """
    document = read_json_of_any_depth(body)
    is_array = isinstance(document, list)
    items = document if isinstance(document, list) else [document]
    if is_array and not items:
        raise MalformedRequest("the array holds no lead")
    if not is_array and not isinstance(document, dict):
        raise MalformedRequest("the body is neither a lead nor an array of leads")
    if len(items) > MAX_LEADS:
        require_shallow(document)
        raise TooLarge(f"a request may hold {MAX_LEADS} leads; this one holds {len(items)}")
    leads, refused = keyed_leads(items, now, settings, owner)
    if refused:  # a valid lead is shallow, and looking into a thousand of them takes milliseconds
        require_shallow(document)
    if not is_array and refused:
        errors = refused[0].errors
        if any(error.code == "too_many_actions" for error in errors):
            raise TooLarge(errors[0].detail, errors, extra=summary(refused, is_array=False))
    return Posted(is_array, leads, refused)


def read_lines(
    body: str | bytes, now: datetime, settings: Settings, owner: UUID | None = None
) -> Posted:
    """The leads of a body with one in each line. A line that is not JSON is refused alone.

    Empty lines are passed over, and not counted.
    """
    require_size(body)
    text = body if isinstance(body, bytes) else body.encode(errors="surrogatepass")
    items: list[Any] = []
    unreadable: dict[int, FieldError] = {}
    for line in io.BytesIO(text):
        if not line.strip():
            continue
        if len(items) == MAX_LEADS:
            raise TooLarge(f"a request may hold {MAX_LEADS} leads; this one holds more")
        try:
            items.append(read_json(line))
        except Problem as problem:
            unreadable[len(items)] = FieldError("", "unreadable_line", problem.detail)
            items.append(None)
    if not items:
        raise MalformedRequest("the body holds no lead")
    leads, refused = keyed_leads(items, now, settings, owner)
    for number, result in enumerate(refused):
        if result.index in unreadable:
            refused[number] = Result(
                result.index, None, Status.INVALID, errors=[unreadable[result.index]]
            )
    return Posted(True, leads, refused)


def keyed_leads(
    items: list[Any], now: datetime, settings: Settings, owner: UUID | None
) -> tuple[dict[int, KeyedLead], list[Result]]:
    """The valid leads of some items by their place, and the results of those refused.

    Refused is also what is not of the customer `owner`.
    """
    refused: list[Result] = []
    keyed = _all_keyed(items, now, settings)
    if not keyed:
        leads, refused = _each_validated(items, now)
        keyed = {index: with_keys(lead, settings) for index, lead in leads.items()}
    if owner is None:
        return keyed, refused
    foreign = [index for index, lead in keyed.items() if lead.stored["customer_id"] != owner]
    for index in foreign:
        lead_id = keyed.pop(index).lead.lead_id
        refused.append(Result(index, lead_id, Status.INVALID, errors=[_FOREIGN]))
    return keyed, refused


def validate_lead(item: Mapping[str, Any], now: datetime) -> Lead | list[FieldError]:
    """One lead from its JSON members, or why it is refused. Pointers begin at the lead."""
    try:
        lead = _ONE_LEAD.validate_python(item)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return [field_error(detail) for detail in details[:MAX_ERRORS_PER_LEAD]]
    return _out_of_range(lead, now) or lead


def _all_keyed(items: list[Any], now: datetime, settings: Settings) -> dict[int, KeyedLead]:
    """All items with their keys if each of them is a valid lead, else nothing.

    Compares times in UTC, as they are stored: with another zone that takes ten times as long.
    """
    try:
        leads = _ALL_LEADS.validate_python(items)
        keyed = {index: with_keys(lead, settings) for index, lead in enumerate(leads)}
    except (ValidationError, OverflowError):  # the latter: of a time at an end of the calendar
        return {}
    latest = now.astimezone(UTC) + CLOCK_SKEW
    for _, stored in keyed.values():
        if not EARLIEST <= stored["created_at"] <= latest:
            return {}
        for action in stored["actions"]:
            if not EARLIEST <= action["at"] <= latest:
                return {}
    return keyed


def _each_validated(items: list[Any], now: datetime) -> tuple[dict[int, Lead], list[Result]]:
    """The valid leads of some items by their place, and the results of the others."""
    leads: dict[int, Lead] = {}
    refused: list[Result] = []
    told = 0
    for index, item in enumerate(items):
        outcome = validate_lead(item, now)
        if isinstance(outcome, Lead):
            leads[index] = outcome
            continue
        # The answer to a body of nothing but errors must still fit what AWS hands back.
        errors = outcome[: max(1, MAX_ERRORS - told)]
        told += len(errors)
        refused.append(Result(index, _claimed_id(item), Status.INVALID, errors=errors))
    return leads, refused


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
