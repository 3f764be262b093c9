"""A lead as it is posted, and with the keys that it is stored under."""

from datetime import UTC, datetime
from operator import itemgetter
from typing import Annotated, Any, NamedTuple, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from common import identifiers
from common.identifiers import UserKind
from common.normalization import (
    email_key,
    email_text,
    external_id_key,
    folded_label,
    is_international,
    phone_key,
)
from common.request_model import MAX_TEXT_LENGTH, NO_NUL, Id, Level, RequestModel
from common.settings import MissingUser, Settings

MAX_ACTIONS = 1_000
MAX_USER_TEXT_LENGTH = 320  # the longest email address (RFC 5321)
_RFC_3339 = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})?$"  # no offset at all is told apart from a malformed one
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


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("string_too_short", "must not be empty")
    return text


Instant = Annotated[datetime, _Instant]
ActionType = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=NO_NUL),
    AfterValidator(_not_blank),
]
UserText = Annotated[str, StringConstraints(max_length=MAX_USER_TEXT_LENGTH, pattern=NO_NUL)]


class User(RequestModel):
    """The person behind a lead; at least one member, and what is not usable is kept as sent."""

    email: UserText | None = None
    phone: UserText | None = None
    external_id: UserText | None = None

    @model_validator(mode="after")
    def _names_someone(self) -> Self:
        if self.email is None and self.phone is None and self.external_id is None:
            raise PydanticCustomError(
                "user_unidentified", "needs at least one of email, phone and external_id"
            )
        return self


class Action(RequestModel):
    """One thing the user did."""

    action_type: ActionType
    timestamp: Instant
    engagement_level: Level


class Lead(RequestModel):
    """One record of interest, as it is posted."""

    lead_id: Id
    customer_id: Id
    product_id: Id
    lead_type: Annotated[
        str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=NO_NUL)
    ]
    created_at: Instant
    actions: Annotated[list[Action], Field(max_length=MAX_ACTIONS)]
    user: User | None = None


class KeyedLead(NamedTuple):
    """A valid lead, and what is stored of it: the members of sql/ingest_leads.sql."""

    lead: Lead
    stored: dict[str, Any]


# The phone regions of customers, as this process saw them last. One that is out of date shows when
# a lead is stored (sql/ingest_leads.sql), and its leads are keyed anew.
_PHONE_REGIONS: dict[UUID, str | None] = {}
_MAX_PHONE_REGIONS = 10_000


def remember_phone_region(customer_id: UUID, region: str | None) -> None:
    """Has the customer's leads keyed for that region from now on."""
    if len(_PHONE_REGIONS) >= _MAX_PHONE_REGIONS:
        _PHONE_REGIONS.clear()
    _PHONE_REGIONS[customer_id] = region


def with_keys(lead: Lead, settings: Settings, erased_user_key: UUID | None = None) -> KeyedLead:
    """The lead with its keys. `erased_user_key`: of the user whom the lead names no more."""
    customer_id = identifiers.customer_id(lead.customer_id)
    region = _PHONE_REGIONS.get(customer_id)
    lead_id = identifiers.lead_id(customer_id, lead.lead_id)
    user = lead.user or _NOBODY
    identity = identifiers.user_identity(user.email, user.phone, user.external_id, region)
    if identity is not None:
        kind, value = identity
    elif settings.missing_user is MissingUser.PER_LEAD:
        kind, value = UserKind.LEAD, str(lead_id)
    else:
        kind, value = UserKind.NOBODY, ""
    stored = {
        "lead_id": lead_id,
        "external_id": lead.lead_id,
        "customer_id": customer_id,
        "customer": lead.customer_id,
        "product_id": identifiers.product_id(lead.product_id),
        "product": lead.product_id,
        "lead_type": lead.lead_type,
        "lead_type_key": folded_label(lead.lead_type),
        "user_key": erased_user_key
        or identifiers.user_key(settings.user_secret, customer_id, kind, value),
        "has_user": identity is not None or erased_user_key is not None,
        "known_by": None if erased_user_key else kind,
        **_shown(user, region),
        "created_at": lead.created_at.astimezone(UTC),
        "is_merged": False,
        "actions": _numbered(lead.actions),
    }
    return KeyedLead(lead, stored)


_NOBODY = User.model_construct()
_LEVELS = {"high": "High", "medium": "Medium", "low": "Low"}
_same_action = itemgetter("at", "key", "level")


def _shown(user: User, region: str | None) -> dict[str, Any]:
    """The user as it is stored: what is usable in its normal form, and the rest as it was sent."""
    email, phone, external_id = user.email, user.phone, user.external_id
    unusable = []
    if email is not None:
        if email_key(email):
            email = email_text(email)
        else:
            unusable.append("email")
    is_national = phone is not None and not is_international(phone)
    if phone is not None:
        key = phone_key(phone, region)
        if key is None:
            unusable.append("phone")
        phone = key or phone
    if external_id is not None:
        key = external_id_key(external_id)
        if key is None:
            unusable.append("external_id")
        external_id = key or external_id
    return {
        "user_email": email,
        "user_phone": phone,
        "user_external_id": external_id,
        "unusable": unusable,
        "is_national": is_national,
        "phone_region": region,
    }


def _numbered(posted: list[Action]) -> list[dict[str, Any]]:
    """The actions with their keys; of equal ones, each after the first has its number `n`.

    Equal ones are numbered by how they are spelled, so that their order says nothing.
    """
    actions: list[dict[str, Any]] = [
        {
            "type": action.action_type,
            "key": folded_label(action.action_type),
            "level": _LEVELS[action.engagement_level],
            # PostgreSQL reads offsets of less than 16 hours, RFC 3339 has them up to 23:59.
            "at": action.timestamp.astimezone(UTC),
        }
        for action in posted
    ]
    if len(set(map(_same_action, actions))) < len(actions):
        _number_equal(actions)
    return actions


def _number_equal(actions: list[dict[str, Any]]) -> None:
    same: dict[tuple[object, ...], list[dict[str, Any]]] = {}
    for action in actions:
        same.setdefault(_same_action(action), []).append(action)
    for equal in same.values():
        spellings = sorted(action["type"] for action in equal)
        for number, (action, spelling) in enumerate(zip(equal, spellings, strict=True), 1):
            action["type"] = spelling
            if number > 1:
                action["n"] = number
