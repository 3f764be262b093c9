"""The errors a caller can meet, each of which turns into an RFC 9457 problem document.

Invariant: whatever is raised from this family says what is wrong in words a caller can act on,
and never quotes personal data.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar

from common.observability.correlation import current


@dataclass(frozen=True, slots=True)
class FieldError:
    """One refused field: a JSON pointer (RFC 6901), a stable code and a sentence."""

    pointer: str
    code: str
    detail: str

    def document(self, prefix: str = "") -> dict[str, str]:
        return {"pointer": prefix + self.pointer, "code": self.code, "detail": self.detail}


@dataclass
class Problem(Exception):
    """Base of the family. `extra` members stand beside the standard ones in the document."""

    detail: str
    errors: list[FieldError] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    status: ClassVar[int] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Something went wrong on our side"
    headers: ClassVar[dict[str, str]] = {}

    def __str__(self) -> str:
        return self.detail

    def document(self, instance: str) -> dict[str, Any]:
        """The problem document; `instance` is the path that was asked for."""
        document: dict[str, Any] = {
            "type": f"urn:lead-billing:problem:{self.code}",
            "title": self.title,
            "status": int(self.status),
            "detail": self.detail,
            "instance": instance,
        }
        if correlation_id := current():
            document["correlation_id"] = correlation_id
        if self.errors:
            document["errors"] = [error.document() for error in self.errors]
        return document | self.extra


PROBLEM_JSON = "application/problem+json"


class MalformedRequest(Problem):
    status = HTTPStatus.BAD_REQUEST
    code = "malformed-request"
    title = "The request could not be read"


class TooLarge(Problem):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too-large"
    title = "The request is over a limit"


class Invalid(Problem):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "invalid"
    title = "The request was understood and refused"


class AnswerTooLarge(Problem):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "answer-too-large"
    title = "The answer would be too large"


class Unauthenticated(Problem):
    status = HTTPStatus.UNAUTHORIZED
    code = "unauthenticated"
    title = "An API key is needed"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer realm="lead-billing"'}


class Forbidden(Problem):
    status = HTTPStatus.FORBIDDEN
    code = "forbidden"
    title = "That is not allowed"


class TooManyRequests(Problem):
    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too-many-requests"
    title = "The key makes too many requests"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


class NotFound(Problem):
    status = HTTPStatus.NOT_FOUND
    code = "not-found"
    title = "There is no such thing"


class MethodNotAllowed(Problem):
    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method-not-allowed"
    title = "That method is not for this address"


class NotAcceptable(Problem):
    status = HTTPStatus.NOT_ACCEPTABLE
    code = "not-acceptable"
    title = "None of the accepted formats is on offer"


class UnsupportedMediaType(Problem):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported-media-type"
    title = "The body is of a type that is not taken here"


class Conflict(Problem):
    status = HTTPStatus.CONFLICT
    code = "conflict"
    title = "It contradicts what is stored"


class Unpriced(Problem):
    status = HTTPStatus.CONFLICT
    code = "unpriced-action"
    title = "An action has no price on the rate card"


class DatabaseUnavailable(Problem):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "database-unavailable"
    title = "The database does not answer"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


class TookTooLong(DatabaseUnavailable):
    status = HTTPStatus.GATEWAY_TIMEOUT
    code = "took-too-long"
    title = "The answer took too long"
    headers: ClassVar[dict[str, str]] = {}  # the same again would take as long


class ClientLeft(Problem):
    """Nobody reads this answer; the log has its status."""

    status = 499
    code = "client-left"
    title = "The client did not wait for the answer"


class Busy(Problem):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "busy"
    title = "Too much is asked for at this moment"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


class NotReady(Problem):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "not-ready"
    title = "The service is not ready"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


class Internal(Problem):
    """What a caller is told of an unexpected error; the log has the rest."""
