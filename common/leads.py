"""A lead on the wire: what is accepted, what is refused, and in which words.

Invariant: no lead leaves here that the database would refuse for its form, and every refusal
names its field by JSON pointer with a stable code (rules.md, "What is refused, and what is kept").
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from common.identifiers import (
    LONGEST_ID,
    UserKind,
    normal_email,
    normal_external_id,
    normal_phone,
)
from common.problems import FieldError, MalformedRequest, TooLarge

MOST_LEADS = 1_000
MOST_ACTIONS = 1_000
MOST_BODY_BYTES = 6 * 1024 * 1024  # what AWS hands to a function at the most
MOST_MEMBERS = 50  # of one JSON object; a lead has seven
MOST_ERRORS_PER_LEAD = 100
MOST_ERRORS = 4_000  # of one request; from then on each refused lead is told its first only
LONGEST_NAME = 100  # of an unknown field, where its pointer is told
LONGEST_TEXT = 200
LONGEST_USER_TEXT = 320  # the longest email address (RFC 5321)
CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)  # a day to spare for any zone's month

_REPEATED = "\0repeated "  # marks a member that stands twice in one JSON object
NO_NUL = r"^[^\x00]*$"
_RFC_3339 = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?$"  # no offset at all is told apart from a malformed one
)


class _Instant:
    """RFC 3339 with offset, and nothing else that pydantic would take for a time."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.chain_schema(
            [
                core_schema.str_schema(pattern=_RFC_3339),
                core_schema.datetime_schema(tz_constraint="aware"),
            ],
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


class _Level:
    """High, Medium or Low in any case."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.chain_schema(
            [
                core_schema.str_schema(to_lower=True),
                core_schema.literal_schema(["high", "medium", "low"]),
            ]
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "enum": ["High", "Medium", "Low"], "description": "In any case."}


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("string_too_short", "must not be empty")
    return text


Instant = Annotated[datetime, _Instant]
Level = Annotated[Literal["high", "medium", "low"], _Level]
Id = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID, pattern=NO_NUL)]
ActionType = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=NO_NUL),
    AfterValidator(_not_blank),
]
_UserText = Annotated[str, StringConstraints(max_length=LONGEST_USER_TEXT, pattern=NO_NUL)]
Email = Annotated[_UserText, AfterValidator(normal_email), AfterValidator(_not_blank)]
Phone = Annotated[_UserText, AfterValidator(normal_phone), AfterValidator(_not_blank)]
UserId = Annotated[_UserText, AfterValidator(normal_external_id), AfterValidator(_not_blank)]


class Wire(BaseModel):
    """What a caller sends: nothing unknown in it, and nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class User(Wire):
    """The person behind a lead; at least one member."""

    email: Email | None = None
    phone: Phone | None = None
    external_id: UserId | None = None

    @model_validator(mode="after")
    def _names_someone(self) -> Self:
        if self.email is None and self.phone is None and self.external_id is None:
            raise PydanticCustomError(
                "user_unidentified", "needs at least one of email, phone and external_id"
            )
        return self

    def identity(self) -> tuple[UserKind, str]:
        """What the user is known by: the first present of email, phone and external_id."""
        if self.email:
            return UserKind.EMAIL, self.email
        if self.phone:
            return UserKind.PHONE, self.phone
        return UserKind.EXTERNAL_ID, self.external_id or ""


class Action(Wire):
    """One thing the user did."""

    action_type: ActionType
    timestamp: Instant
    engagement_level: Level


class Lead(Wire):
    """One record of interest, as it is posted."""

    lead_id: Id
    customer_id: Id
    product_id: Id
    lead_type: Annotated[
        str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=NO_NUL)
    ]
    created_at: Instant
    actions: Annotated[list[Action], Field(max_length=MOST_ACTIONS)]
    user: User | None = None


class Status(StrEnum):
    """What became of a posted lead."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    QUARANTINED = "quarantined"
    CONFLICT = "conflict"
    INVALID = "invalid"
    QUEUED = "queued"

    @property
    def is_stored(self) -> bool:
        return self in {Status.CREATED, Status.UPDATED, Status.UNCHANGED}


@dataclass(slots=True)
class Result:
    """What became of the lead at `index` of the request. Its pointers begin at the lead."""

    index: int
    lead_id: str | None
    status: Status
    actions_added: int = 0
    warnings: list[FieldError] = field(default_factory=list)
    errors: list[FieldError] = field(default_factory=list)

    def document(self, prefix: str = "") -> dict[str, Any]:
        return {
            "index": self.index,
            "lead_id": self.lead_id,
            "status": self.status.value,
            "actions_added": self.actions_added,
            "warnings": [warning.document(prefix) for warning in self.warnings],
            "errors": [error.document(prefix) for error in self.errors],
        }


def summary(results: Iterable[Result], *, is_array: bool) -> dict[str, Any]:
    """The response body of a post: counts by status, and every item's result in order.

    Pointers lead from the root of the request: in an array they begin with the lead's index.
    `queued` is counted where something is: while the database is away.
    """
    in_order = sorted(results, key=lambda result: result.index)
    counts = Counter(result.status for result in in_order)
    told = [status for status in Status if status is not Status.QUEUED or counts[status]]
    return {status.value: counts[status] for status in told} | {
        "results": [result.document(f"/{result.index}" if is_array else "") for result in in_order]
    }


@dataclass(frozen=True, slots=True)
class Posted:
    """A read request: its valid leads by index, and the results of those refused."""

    is_array: bool
    leads: dict[int, Lead]
    refused: list[Result]


_ONE_LEAD = TypeAdapter(Lead)
_ALL_LEADS = TypeAdapter(Annotated[list[Lead], FailFast()])

NO_USER = FieldError(
    "/user",
    "missing_user",
    "the lead names no user, so its actions count as those of the customer's fallback user",
)


def read_leads(body: str | bytes, now: datetime) -> Posted:
    """Reads and validates a posted body.

    Raises MalformedRequest when it is not one JSON object or a non-empty array, and TooLarge when
    it is over `MOST_BODY_BYTES`, holds more than `MOST_LEADS` leads or an object of more than
    `MOST_MEMBERS` members, or is a single lead with more than `MOST_ACTIONS` actions.
    """
    size = len(body if isinstance(body, bytes) else body.encode(errors="surrogatepass"))
    if size > MOST_BODY_BYTES:
        raise TooLarge(f"a request may hold {MOST_BODY_BYTES} bytes; this one holds {size}")
    document = _parse(body)
    is_array = isinstance(document, list)
    items = document if isinstance(document, list) else [document]
    if is_array and not items:
        raise MalformedRequest("the array holds no lead")
    if not is_array and not isinstance(document, dict):
        raise MalformedRequest("the body is neither a lead nor an array of leads")
    if len(items) > MOST_LEADS:
        raise TooLarge(f"a request may hold {MOST_LEADS} leads; this one holds {len(items)}")
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
        return [field_error(detail) for detail in details[:MOST_ERRORS_PER_LEAD]]
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
        errors = outcome[: max(1, MOST_ERRORS - told)]
        told += len(errors)
        refused.append(Result(index, _claimed_id(item), Status.INVALID, errors=errors))
    return Posted(is_array, leads, refused)


def _claimed_id(item: object) -> str | None:
    claimed = item.get("lead_id") if isinstance(item, dict) else None
    if not isinstance(claimed, str) or len(claimed) > LONGEST_ID:
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
    return errors[:MOST_ERRORS_PER_LEAD]


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
    if len(pairs) > MOST_MEMBERS:
        raise TooLarge(f"an object may hold {MOST_MEMBERS} members; one holds {len(pairs)}")
    members = dict(pairs)
    if len(members) < len(pairs):
        seen = Counter(name for name, _ in pairs)
        members |= {_REPEATED + name: None for name, times in seen.items() if times > 1}
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


_CODES = {
    "missing": ("missing_field", "is required"),
    "extra_forbidden": ("unknown_field", "is not a known field"),
    "string_too_short": ("empty", "must not be empty"),
    "too_short": ("empty", "must not be empty"),
    "string_unicode": ("invalid_unicode", "holds a lone surrogate, which is no character"),
    "string_type": ("wrong_type", "must be a string"),
    "bool_type": ("wrong_type", "must be true or false"),
    "int_type": ("wrong_type", "must be a whole number"),
    "list_type": ("wrong_type", "must be an array"),
    "model_type": ("wrong_type", "must be an object"),
    "model_attributes_type": ("wrong_type", "must be an object"),
    "dict_type": ("wrong_type", "must be an object"),
    "timezone_aware": ("timestamp_without_offset", "must end in Z or an offset such as +02:00"),
    "string_pattern_mismatch": ("nul_character", "must not hold the character U+0000"),
    "user_unidentified": ("missing_field", "needs one of email, phone and external_id"),
}
_TIME_FIELDS = {"created_at", "timestamp"}


def field_error(detail: ErrorDetails) -> FieldError:
    """What pydantic says of a field, as a pointer, a stable code and a sentence."""
    path = list(detail["loc"])
    name, kind = path[-1] if path else "", detail["type"]
    if isinstance(name, str) and name.startswith(_REPEATED):
        path[-1] = name.removeprefix(_REPEATED)
        return FieldError(_pointer(path), "repeated_field", "stands twice in its object")
    code, text = _CODES.get(kind, (kind, detail["msg"]))
    if name == "engagement_level" and kind == "literal_error":
        code, text = "unknown_engagement_level", "must be High, Medium or Low"
    elif kind == "literal_error":
        code, text = f"unknown_{name}", f"must be {detail['ctx']['expected']}"
    elif name == "actions" and kind == "too_long":
        code, text = "too_many_actions", f"a lead may hold {MOST_ACTIONS} actions"
    elif kind == "too_long":
        code, text = f"too_many_{name}", f"may hold {detail['ctx']['max_length']} entries"
    elif kind == "string_too_long":
        code, text = "too_long", f"may hold {detail['ctx']['max_length']} characters"
    elif name in _TIME_FIELDS and (
        kind == "string_pattern_mismatch" or kind.startswith("datetime")
    ):
        code, text = "invalid_timestamp", "must be RFC 3339, such as 2024-04-01T10:00:00Z"
    return FieldError(_pointer(path), code, text)


def _pointer(path: list[int | str]) -> str:
    def step(part: int | str) -> str:
        text = str(part).encode(errors="replace").decode()
        if len(text) > LONGEST_NAME:
            text = text[:LONGEST_NAME] + "…"
        return text.replace("~", "~0").replace("/", "~1")

    return "".join(f"/{step(part)}" for part in path)
