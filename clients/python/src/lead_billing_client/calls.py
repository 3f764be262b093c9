"""What is sent and read, whether one waits or uses coroutines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol, TypeVar
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx
from pydantic import BaseModel, TypeAdapter

from .errors import NoAnswer, error_of
from .version import VERSION

Item_co = TypeVar("Item_co", covariant=True)
Answer = TypeVar("Answer")
Query = Mapping[str, object]
Content = bytes | None
_TIMEOUT = httpx.Timeout(60, connect=10)
_HEADERS = {"User-Agent": f"lead-billing-client/{VERSION}", "Accept": "application/json"}


class Page(Protocol[Item_co]):
    """A page of any list."""

    @property
    def data(self) -> Sequence[Item_co]: ...

    @property
    def next_cursor(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Request:
    """A request that may be sent several times."""

    method: str
    path: str  # with its query
    content: Content = None
    headers: dict[str, str] = field(default_factory=dict)


def request(
    method: str,
    path: str,
    *,
    query: Query | None = None,
    body: object = None,
    content: Content = None,
    headers: Mapping[str, str] | None = None,
) -> Request:
    """A request with its query and its body; a POST but of leads gets an idempotency key."""
    known = dict(headers or {})
    if body is not None:
        content = _json(body)
        known["Content-Type"] = "application/json"
    if method == "POST" and path != "/leads":
        known["Idempotency-Key"] = str(uuid4())
    members = {name: _text(value) for name, value in (query or {}).items() if value is not None}
    if members:
        path = f"{path}?{urlencode(members, quote_via=quote)}"  # a plus is a plus to the server
    return Request(method, path, content, known)


def path_part(value: object) -> str:
    """A value as one part of a path, whatever its characters."""
    text = quote(str(value), safe="")
    return text.replace(".", "%2E") if text in {".", ".."} else text


def settings_of(base_url: str, api_key: str | None, timeout: float | None) -> dict[str, Any]:
    """What both kinds of HTTP client are made with."""
    headers = _HEADERS | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    limit = _TIMEOUT if timeout is None else httpx.Timeout(timeout)
    return {"base_url": base_url, "headers": headers, "timeout": limit}


def read(kind: type[Answer], response: httpx.Response) -> Answer:
    """The JSON of an answer as a model, or as one of several."""
    return TypeAdapter(kind).validate_json(response.content)


def raise_failure(answer: httpx.Response | httpx.TransportError) -> NoReturn:
    """Raises the error of an answer, or says that there was none."""
    if isinstance(answer, httpx.Response):
        raise error_of(answer)
    raise NoAnswer(f"the server did not answer: {answer or type(answer).__name__}") from answer


def _json(body: object) -> bytes:
    """As JSON, without the members that were not set."""
    return TypeAdapter(Any).dump_json(_plain(body))


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True, by_alias=True)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
