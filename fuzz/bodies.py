"""Hostile bodies of POST /leads: invalid leads, invalid bytes, and bodies that are too large.

Hypothesis generates them, and shrinks a body that breaks a rule to the smallest that does.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.support.api import action, lead

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
_LEAD_MEMBERS = sorted(lead())
_ACTION_MEMBERS = sorted(action())
_USER_MEMBERS = ["email", "phone", "external_id"]
_IDS = st.sampled_from(["lead-1", "lead-2", "LEAD-1"]) | st.text(max_size=130)
_TIMES = (
    st.sampled_from(["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z", "2024-02-30T00:00:00Z"])
    | st.datetimes().map(lambda when: when.isoformat() + "Z")
    | st.text("0123456789-:TZ+. ", max_size=30)
)

# Tokens that have broken parsers before, for any place in a body.
_TOKENS = st.sampled_from(
    [
        *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\u0000", b"\\ud800", b"\\"),
        *(b"[" * 5_000, b'{"a":' * 5_000, b"]", b"}", b",", b'"', b":", b" " * 1_000),
        *(b"NaN", b"-Infinity", b"1e999999", b"9" * 5_000, b"-0", b"0.1e-99999", b"null"),
        *(b'"actions":', b'"lead_id":', b'"__proto__":', b"//", b"/*", b"'", b"\r\n\r\n"),
        *(b"';--", b"%s%n", b"${jndi:x}", b"$1", b"{0}", b"\xe2\x80\xae", b"\xf0\x9f\x92\xa9"),
    ]
)


@st.composite
def _invalid_leads(draw: st.DrawFn) -> Any:
    """A lead with hostile values in up to three places."""
    hostile = lead(
        draw(_IDS),
        *(
            action(draw(st.sampled_from(["Call", "call ", ""])))
            for _ in range(draw(st.integers(0, 3)))
        ),
        customer_id=draw(st.sampled_from(["acme", "acme", "ACME", "nobody"])),
    )
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(["lead", "action", "user"]))
        actions, user = hostile.get("actions"), hostile.get("user")
        if (
            place == "action"
            and isinstance(actions, list)
            and actions
            and isinstance(actions[0], dict)
        ):
            actions[0][draw(st.sampled_from([*_ACTION_MEMBERS, "more"]))] = draw(_VALUES | _TIMES)
        elif place == "user" and isinstance(user, dict):
            user[draw(st.sampled_from([*_USER_MEMBERS, "more"]))] = draw(_VALUES)
        elif draw(st.booleans()):
            hostile[draw(st.sampled_from([*_LEAD_MEMBERS, "more"]))] = draw(_VALUES | _TIMES)
        else:
            hostile.pop(draw(st.sampled_from(_LEAD_MEMBERS)), None)
    return hostile


@st.composite
def _broken_bytes(draw: st.DrawFn) -> bytes:
    """A JSON body with bytes removed, repeated, inserted or replaced."""
    body = json.dumps(draw(st.lists(_invalid_leads(), min_size=1, max_size=3))).encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 40)))
        edit = draw(st.sampled_from(["remove", "repeat", "insert", "replace"]))
        if edit == "remove":
            body = body[:start] + body[end:]
        elif edit == "repeat":
            body = body[:end] + body[start:end] * draw(st.integers(1, 50)) + body[end:]
        else:
            rest = start if edit == "insert" else end
            body = body[:start] + draw(_TOKENS | st.binary(max_size=8)) + body[rest:]
    return body


def _repeat(unit: bytes, before: bytes, after: bytes, size: int) -> bytes:
    """About `size` bytes: `unit` again and again, with commas between."""
    times = max(1, (size - len(before) - len(after)) // (len(unit) + 1))
    return before + b",".join([unit] * times) + after


_START = json.dumps(lead("big") | {"actions": None}).encode().removesuffix(b"}")
_ALL_BAD = _START.replace(b'"actions": null', b'"actions": [' + b"{}," * 998 + b"{}]") + b"}"
_KINDS: dict[str, Callable[[int], bytes]] = {
    "empty objects": lambda size: _repeat(b"{}", b"[", b"]", size),
    "empty arrays": lambda size: _repeat(b"[]", b"[", b"]", size),
    "numbers": lambda size: _repeat(b"0", b"[", b"]", size),
    "empty strings": lambda size: _repeat(b'""', b"[", b"]", size),
    "small objects": lambda size: _repeat(b'{"a":1}', b"[", b"]", size),
    "the same lead": lambda size: _repeat(_START + b"}", b"[", b"]", size),
    "leads of bad actions": lambda size: _repeat(_ALL_BAD, b"[", b"]", size),
    "bad actions of a lead": lambda size: _repeat(b"{}", _START + b',"more":[', b"]}", size),
    "deep arrays": lambda size: b"[" * size,
    "deep objects": lambda size: b'{"a":' * (size // 5),
    "deep both": lambda size: b'{"a":[' * (size // 6),
    "other members": lambda size: b"{" + b",".join(b'"%d":0' % n for n in range(size // 10)) + b"}",
    "repeated members": lambda size: _repeat(b'"a":0', b"{", b"}", size),
    "one long name": lambda size: b'{"' + b"~" * size + b'":0}',
    "long names": lambda size: _repeat(b'{"' + b"~" * 6_000 + b'":0}', b"[", b"]", size),
    "long id": lambda size: _START + b',"lead_id":"' + b"a" * size + b'"}',
    "long phone": lambda size: _START + b',"user":{"phone":"' + b" " * size + b'"}}',
    "long time": lambda size: b'{"created_at":"2024-04-01T10:00:00.' + b"1" * size + b'Z"}',
    "long number": lambda size: b"[" + b"1" * size + b"]",
    "spaces": lambda size: b" " * size,
    "not UTF-8": lambda size: b"\xff" * size,
    "escapes": lambda size: b'"' + b"\\u0000" * (size // 6) + b'"',
}
_SIZES = [1_000, 100_000, 3_000_000, 6_200_000, 7_000_000, 11_000_000]


@dataclass(frozen=True)
class Large:
    """A body of about `size` bytes that Hypothesis can print in one line."""

    kind: str
    size: int

    def content(self) -> bytes:
        return _KINDS[self.kind](self.size)


small_bodies = (
    _invalid_leads().map(json.dumps).map(str.encode)
    | st.lists(_invalid_leads() | _VALUES, max_size=6).map(json.dumps).map(str.encode)
    | _VALUES.map(json.dumps).map(str.encode)
    | _broken_bytes()
    | st.binary(max_size=200)
)
large_bodies = st.builds(Large, st.sampled_from(sorted(_KINDS)), st.sampled_from(_SIZES))

content_types = st.sampled_from(
    [
        *("application/json", "application/json; charset=utf-16", "text/plain", "", "nonsense"),
        *("application/octet-stream", "multipart/form-data; boundary=x", "application/xml"),
    ]
)
