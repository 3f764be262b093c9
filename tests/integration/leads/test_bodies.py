"""How leads are written in a body: as JSON or a line each, packed or not."""

import gzip
import json

import httpx
import pytest

from tests.support.api import action, lead, refusals, statuses

LINES = {"content-type": "application/x-ndjson"}
MAX_BODY_BYTES = 6 * 1024 * 1024
PACKED = {"content-type": "application/json", "content-encoding": "gzip"}


def lines(*leads: object) -> bytes:
    return b"\n".join(json.dumps(line).encode() for line in leads)


def test_each_line_is_a_lead_and_has_a_result(acme: httpx.Client) -> None:
    body = lines(lead("l1", action()), lead("l2")) + b"\r\n\n{oops\n" + lines(lead("l3"))

    answer = acme.post("/leads", content=body, headers=LINES)

    assert answer.status_code == 207
    assert statuses(answer) == ["created", "created", "invalid", "created"]
    assert refusals(answer) == [("/2", "unreadable_line")]


def test_one_line_is_answered_as_an_array_of_one(acme: httpx.Client) -> None:
    answer = acme.post("/leads", content=lines(lead("l1", {})), headers=LINES)

    assert (answer.status_code, statuses(answer)) == (207, ["invalid"])


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"\n \n", 400), (lines(*[1] * 1_001), 413)],
    ids=["no line", "too many lines"],
)
def test_lines_have_the_limits_of_an_array(acme: httpx.Client, body: bytes, status: int) -> None:
    assert acme.post("/leads", content=body, headers=LINES).status_code == status


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
def test_packed_body_is_unpacked(acme: httpx.Client, media_type: str) -> None:
    body = gzip.compress(lines(lead("l1", action())))

    answer = acme.post("/leads", content=body, headers=PACKED | {"content-type": media_type})

    assert (answer.status_code, statuses(answer)) == (201, ["created"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 400),
        (gzip.compress(b"[]")[:-3], 400),
        (gzip.compress(b"[") + gzip.compress(b"]"), 400),
        (gzip.compress(b" " * (MAX_BODY_BYTES + 1)), 413),
        (gzip.compress(b" " * 1_000_000_000, 9), 413),
    ],
    ids=["not packed", "cut", "two members", "too large", "bomb"],
)
def test_packed_body_that_is_none_or_too_large_is_refused(
    acme: httpx.Client, body: bytes, status: int
) -> None:
    answer = acme.post("/leads", content=body, headers=PACKED)

    assert answer.status_code == status
    assert answer.elapsed.total_seconds() < 5


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/csv"},
        {"content-type": "application/xml"},
        PACKED | {"content-encoding": "br"},
        PACKED | {"content-encoding": "gzip, gzip"},
    ],
)
def test_other_types_and_encodings_are_415(acme: httpx.Client, headers: dict[str, str]) -> None:
    assert acme.post("/leads", content=lines(lead()), headers=headers).status_code == 415
