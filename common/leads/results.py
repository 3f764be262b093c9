"""What became of each posted lead, and the body that says so."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from common.problems import FieldError


class Status(StrEnum):
    """What became of a posted lead."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    VOIDED = "voided"  # nothing was added, and some of its actions are voided
    QUARANTINED = "quarantined"
    CONFLICT = "conflict"
    INVALID = "invalid"
    QUEUED = "queued"

    @property
    def metric(self) -> str:
        """The name of the metric that counts leads with this status."""
        return f"Leads{self.capitalize()}"


STORED = frozenset({Status.CREATED, Status.UPDATED, Status.UNCHANGED, Status.VOIDED})


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
    `voided` and `queued` are counted where something is.
    """
    in_order = sorted(results, key=lambda result: result.index)
    counts = Counter(result.status for result in in_order)
    told = [status for status in Status if status not in _RARE or counts[status]]
    return {status.value: counts[status] for status in told} | {
        "results": [result.document(f"/{result.index}" if is_array else "") for result in in_order]
    }


_RARE = {Status.VOIDED, Status.QUEUED}

NO_USER = FieldError(
    "/user",
    "missing_user",
    "the lead names no user, so its actions count as those of the customer's fallback user",
)


_UNUSABLE = {
    "email": "could receive no mail",
    "phone": "is no phone number of 7 to 15 digits",
    "external_id": "shows nothing",
}
UNUSABLE = {
    name: FieldError(
        f"/user/{name}",
        f"unusable_{name}",
        f"{why}: it is kept as it was sent, and says nothing of who the user is",
    )
    for name, why in _UNUSABLE.items()
}


def voided_actions(voided: int, of: int) -> FieldError:
    """The warning that some of the `of` actions of a lead are voided, and stay so."""
    return FieldError(
        "/actions", "voided_actions", f"{voided} of {of} were voided and are not stored again"
    )
