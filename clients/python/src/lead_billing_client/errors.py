"""The errors of this package.

Invariant: whatever a call raises because of the server or the way to it is a `LeadBillingError`.
"""

from typing import Any

import httpx

from .models import FieldError

_PROBLEM = "urn:lead-billing:problem:"


class LeadBillingError(Exception):
    """Base of all errors of this package."""


class NoAnswer(LeadBillingError):
    """The server could not be reached or did not answer, however often it was asked."""


class ApiError(LeadBillingError):
    """The server answered with an error.

    `status`: of HTTP. `kind`: a stable word such as `not-found`. `title`, `detail`: in words.
    `errors`: what is wrong field by field, each with `pointer`, `code` and `detail`.
    `correlation_id`: the id of the request in the server's logs. `document`: all that it said,
    such as the `results` of a refused lead.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.document = _document_of(response)
        self.status = response.status_code
        self.kind = str(self.document.get("type", "")).removeprefix(_PROBLEM)
        self.title = str(self.document.get("title") or response.reason_phrase)
        self.detail = str(self.document.get("detail") or self.title)
        self.errors = [
            FieldError.model_validate(error) for error in self.document.get("errors") or ()
        ]
        self.correlation_id: str | None = self.document.get(
            "correlation_id", response.headers.get("x-correlation-id")
        )
        request = response.request
        fields = "".join(f"\n  {error.pointer}: {error.detail}" for error in self.errors)
        super().__init__(
            f"{request.method} {request.url.path} answered {self.status}: {self.detail}{fields}"
        )


class BadRequest(ApiError):
    """400: the request could not be read."""


class Unauthenticated(ApiError):
    """401: no API key was sent, or it is not valid."""


class Forbidden(ApiError):
    """403: the key may not do that."""


class NotFound(ApiError):
    """404: there is no such thing, or the key may not see it."""


class Conflict(ApiError):
    """409: it contradicts what is stored."""


class TooLarge(ApiError):
    """413: the request is over a limit."""


class Invalid(ApiError):
    """422: the request was understood and refused; `errors` has the fields."""


class TooManyRequests(ApiError):
    """429: the key makes too many requests, and waiting did not help."""


class ServerError(ApiError):
    """5xx: something went wrong on the server's side, and trying again did not help."""


class ExportFailed(LeadBillingError):
    """An export ended without a file; the message says why."""


class NotVerified(LeadBillingError):
    """A message or a report is not what it says it is."""


_KINDS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: Invalid,
    429: TooManyRequests,
}


def error_of(response: httpx.Response) -> ApiError:
    """The error that an answer of 400 or above is."""
    status = response.status_code
    return _KINDS.get(status, ServerError if status >= 500 else ApiError)(response)


def _document_of(response: httpx.Response) -> dict[str, Any]:
    if "json" not in response.headers.get("content-type", ""):
        return {}
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
