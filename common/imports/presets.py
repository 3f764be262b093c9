"""Presets: the mappings of files that tools of many people write.

Invariant: a preset holds what such a file says. Who the customer is and what a lead is worth is no
matter of the file, and is given with it, but for a form of an advertisement: handing it in is a
`Form Submission` of level High.
"""

import json
from collections.abc import Mapping as Members
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from common.imports.mapping import Mapping
from common.leads.validation_errors import field_error
from common.problems import FieldError, Invalid


class Preset(StrEnum):
    """The name of a preset."""

    GENERIC = "generic"
    META_LEAD_ADS = "meta_lead_ads"
    GOOGLE_ADS = "google_ads"
    HUBSPOT = "hubspot"
    SALESFORCE = "salesforce"
    LINES = "lines"


_FORM = {"action_type": "Form Submission", "engagement_level": "High"}

PRESETS = {
    # The fields of POST /leads by their own names; `actions` as JSON, or one action in a row.
    Preset.GENERIC: Mapping(
        columns={
            "lead_id": ["lead_id", "lead id", "id"],
            "customer_id": ["customer_id", "customer id", "customer"],
            "product_id": ["product_id", "product id", "product"],
            "lead_type": ["lead_type", "lead type"],
            "created_at": ["created_at", "created at", "created"],
            "user.email": ["user.email", "user_email", "email"],
            "user.phone": ["user.phone", "user_phone", "phone"],
            "user.external_id": ["user.external_id", "user_external_id", "external_id"],
            "action_type": ["action_type", "action type", "action"],
            "timestamp": ["timestamp", "action_timestamp", "action timestamp"],
            "engagement_level": ["engagement_level", "engagement level", "level"],
            "actions": "actions",
        },
    ),
    # Leads downloaded from a form; ids and phones have their kind before them, as in `l:123`.
    Preset.META_LEAD_ADS: Mapping(
        columns={
            "lead_id": "id",
            "created_at": "created_time",
            "timestamp": "created_time",
            "user.email": ["email", "field_data.email"],
            "user.phone": ["phone_number", "field_data.phone_number"],
        },
        constants={"lead_type": "Social Media", **_FORM},
        prefixes={"lead_id": "l:", "user.phone": "p:"},
    ),
    # The webhook's JSON; its `lead_submit_time` came late, so some have no time.
    Preset.GOOGLE_ADS: Mapping(
        columns={
            "lead_id": "lead_id",
            "created_at": "lead_submit_time",
            "timestamp": "lead_submit_time",
            "user.email": ["user_column_data.EMAIL", "user_column_data.WORK_EMAIL"],
            "user.phone": ["user_column_data.PHONE_NUMBER", "user_column_data.WORK_PHONE"],
        },
        constants=_FORM,
        test_column="is_test",
    ),
    Preset.HUBSPOT: Mapping(
        columns={
            "lead_id": ["Record ID", "Record ID - Contact"],
            "created_at": "Create Date",
            "timestamp": "Create Date",
            "user.email": "Email",
            "user.phone": ["Phone Number", "Mobile Phone Number"],
        },
        constants={"action_type": "Contact Created"},
        date_order="mdy",
    ),
    Preset.SALESFORCE: Mapping(
        columns={
            "lead_id": ["Lead ID", "Id"],
            "created_at": ["Create Date", "Created Date", "CreatedDate"],
            "timestamp": ["Create Date", "Created Date", "CreatedDate"],
            "user.email": "Email",
            "user.phone": ["Phone", "MobilePhone", "Mobile"],
        },
        constants={"action_type": "Lead Created"},
        date_order="mdy",
    ),
    # Lines that were exported here. Their users are masked, and told apart by their keys.
    Preset.LINES: Mapping(
        columns={
            "lead_id": "lead_id",
            "customer_id": "customer_id",
            "product_id": "product_id",
            "lead_type": "lead_type",
            "created_at": "lead_created_at",
            "user.external_id": "user_key",
            "action_type": "action_type",
            "timestamp": "timestamp",
            "engagement_level": "engagement_level",
        },
    ),
}


@dataclass(frozen=True, slots=True)
class ChosenMapping:
    """A preset, what was given over it, and the mapping that comes of both."""

    preset: Preset
    given: Mapping
    whole: Mapping

    @classmethod
    def of(cls, preset: Preset, given: Mapping) -> "ChosenMapping":
        return cls(preset, given, given.over(PRESETS[preset]))

    def with_changes(self, changes: Mapping) -> "ChosenMapping":
        """The mapping with `changes` over what was given."""
        return self.of(self.preset, changes.over(self.given))

    def for_customer(self, customer: str | None) -> "ChosenMapping":
        """The mapping for a key of one customer; for other keys (None) as it is."""
        return replace(self, whole=self.whole.with_customer(customer, self.given))

    def document(self) -> dict[str, Any]:
        """The mapping as it was given, with its preset."""
        return {"preset": self.preset.value} | self.given.model_dump(exclude_unset=True)


def choose_mapping(
    given: str | Members[str, Any] | None, preset: str | None = None
) -> ChosenMapping:
    """A mapping as JSON or its members, which may name its `preset`, or a preset alone.

    Raises Invalid.
    """
    members = _members_of(given) if given is None or isinstance(given, str) else dict(given)
    named = preset or members.get("preset") or Preset.GENERIC
    members.pop("preset", None)
    if named not in set(Preset):
        error = FieldError("/preset", "unknown_preset", f"must be {', '.join(Preset)}")
        raise Invalid("there is no such preset", [error])
    try:
        mapping = Mapping.model_validate(members)
    except ValidationError as problem:
        details = problem.errors(include_url=False, include_input=False)
        raise Invalid("the mapping was refused", [field_error(each) for each in details]) from None
    return ChosenMapping.of(Preset(named), mapping)


def _members_of(text: str | None) -> dict[str, Any]:
    try:
        members = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        error = FieldError("/mapping", "invalid_json", "must be a JSON object")
        raise Invalid("the mapping is not JSON", [error])
    return members
