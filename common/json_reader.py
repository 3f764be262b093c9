"""Reading JSON that somebody sent: one reader, with one set of limits, for function and service.

Invariant: reading costs bounded time and memory, and a member that stands twice in its object is
refused, never chosen from.
"""

import json
from collections import Counter
from typing import Any, NoReturn

from common.problems import MalformedRequest, TooLarge

MAX_BODY_BYTES = 6 * 1024 * 1024  # what AWS hands to a function at the most
MAX_MEMBERS = 50  # of one JSON object; a lead has seven
MAX_DEPTH = 32  # of objects and lists in each other; a lead has three
MAX_CONTAINERS = 200_000  # objects and lists of a body; 6 MB of the shortest actions are 60,000
REPEATED_MEMBER = "\0repeated "  # marks a member that stands twice in one JSON object
_CONTAINERS = {dict, list}
_MAX_DIGITS = 18  # of a whole number that is read exactly; none of ours is longer


def require_size(body: str | bytes) -> None:
    """Raises TooLarge for a body over `MAX_BODY_BYTES`."""
    size = len(body if isinstance(body, bytes) else body.encode(errors="surrogatepass"))
    if size > MAX_BODY_BYTES:
        raise TooLarge(f"a request may hold {MAX_BODY_BYTES} bytes; this one holds {size}")


def read_json(body: str | bytes) -> Any:
    """The value of a JSON text.

    A repeated member is in its object once more, under its name behind `REPEATED_MEMBER`, which no
    model knows: what is read is validated by one that forbids unknown members. Raises
    MalformedRequest, and TooLarge for a text over `MAX_BODY_BYTES`, an object of more than
    `MAX_MEMBERS` members, more than `MAX_CONTAINERS` objects and lists, or values that are nested
    deeper than `MAX_DEPTH`.
    """
    value = read_json_of_any_depth(body)
    require_shallow(value)
    return value


def read_json_of_any_depth(body: str | bytes) -> Any:
    """As `read_json`, for who calls `require_shallow` unless the value has a known form.

    Raises TooLarge where the reader itself gives up, some hundred values deep.
    """
    require_size(body)
    _require_few_containers(body)
    try:
        return json.loads(
            body if isinstance(body, str) else body.decode(),
            object_pairs_hook=_members,
            parse_constant=_refuse_constant,
            parse_int=_whole_number,
        )
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise MalformedRequest(f"the body is not JSON in UTF-8: {_reason(error)}") from None


def _require_few_containers(body: str | bytes) -> None:
    """Before anything is made of them: an empty list costs twenty times its text. Brackets within
    strings count too."""
    count = sum(
        body.count(bracket) if isinstance(body, str) else body.count(bracket.encode())
        for bracket in "{["
    )
    if count > MAX_CONTAINERS:
        raise TooLarge(f"a body may hold {MAX_CONTAINERS} objects and lists; this one holds more")


def require_shallow(value: Any) -> None:
    """Raises TooLarge for values that are nested deeper than `MAX_DEPTH`."""
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) in _CONTAINERS
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> TooLarge:
    return TooLarge(f"a body may be nested {MAX_DEPTH} deep; this one is nested deeper")


def _whole_number(text: str) -> int | float:
    return int(text) if len(text) <= _MAX_DIGITS else float(text)


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
