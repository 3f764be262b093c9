"""POST /leads, field by field: what is refused, under which pointer, and what is stored."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from common.catalog.lead_types import add_lead_type
from tests.support.api import JSON, Wire, action, lead, post, refusals, report, statuses, without
from tests.support.leads import stored_leads

# --- what is refused, and what is kept


@pytest.mark.parametrize(
    "name", ["lead_id", "customer_id", "product_id", "lead_type", "created_at", "actions"]
)
def test_missing_field_is_named(acme: httpx.Client, name: str) -> None:
    answer = post(acme, without(lead("lead-1"), name))

    assert answer.status_code == 422
    assert refusals(answer) == [(f"/{name}", "missing_field")]


@pytest.mark.parametrize("name", ["action_type", "timestamp", "engagement_level"])
def test_missing_field_of_an_action_is_named(acme: httpx.Client, name: str) -> None:
    answer = post(acme, [lead("lead-0"), lead("lead-1", action(), without(action(), name))])

    assert refusals(answer) == [(f"/1/actions/1/{name}", "missing_field")]


FUTURE = (datetime.now(UTC) + timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("members", "pointer", "code"),
    [
        ({"lead_id": ""}, "/lead_id", "empty"),
        ({"customer_id": ""}, "/customer_id", "empty"),
        ({"product_id": ""}, "/product_id", "empty"),
        ({"lead_id": "x" * 129}, "/lead_id", "too_long"),
        ({"customer_id": "x" * 129}, "/customer_id", "too_long"),
        ({"product_id": "x" * 129}, "/product_id", "too_long"),
        ({"lead_id": 7}, "/lead_id", "wrong_type"),
        ({"lead_id": None}, "/lead_id", "wrong_type"),
        ({"lead_id": "a\0b"}, "/lead_id", "nul_character"),
        ({"lead_id": "\ud800"}, "/lead_id", "invalid_unicode"),
        ({"customer_id": "\udfff"}, "/customer_id", "invalid_unicode"),
        ({"lead_type": "Palm Reading"}, "/lead_type", "unknown_lead_type"),
        ({"lead_type": ""}, "/lead_type", "empty"),
        ({"created_at": "2024-04-01T10:00:00"}, "/created_at", "timestamp_without_offset"),
        ({"created_at": "2024-04-01"}, "/created_at", "invalid_timestamp"),
        ({"created_at": "yesterday"}, "/created_at", "invalid_timestamp"),
        ({"created_at": 1712000000}, "/created_at", "wrong_type"),
        ({"created_at": "2024-02-30T10:00:00Z"}, "/created_at", "invalid_timestamp"),
        ({"created_at": "0000-01-01T00:00:00Z"}, "/created_at", "invalid_timestamp"),
        ({"created_at": "10000-01-01T00:00:00Z"}, "/created_at", "invalid_timestamp"),
        ({"created_at": "2024-04-01T25:00:00Z"}, "/created_at", "invalid_timestamp"),
        ({"created_at": "2024-04-01T10:00:00+99:99"}, "/created_at", "invalid_timestamp"),
        ({"created_at": "9999-12-31T23:59:59Z"}, "/created_at", "timestamp_in_future"),
        ({"created_at": "9999-12-31T23:59:59-23:59"}, "/created_at", "timestamp_in_future"),
        ({"created_at": "0001-01-01T00:00:00Z"}, "/created_at", "timestamp_out_of_range"),
        ({"created_at": "0001-01-01T00:00:00+23:59"}, "/created_at", "timestamp_out_of_range"),
        ({"created_at": FUTURE}, "/created_at", "timestamp_in_future"),
        ({"actions": {}}, "/actions", "wrong_type"),
        ({"actions": None}, "/actions", "wrong_type"),
        ({"actions": ["Call"]}, "/actions/0", "wrong_type"),
        ({"user": {}}, "/user", "missing_field"),
        ({"user": {"email": None}}, "/user", "missing_field"),
        ({"user": "ann"}, "/user", "wrong_type"),
        ({"user": {"email": "x" * 321}}, "/user/email", "too_long"),
        ({"user": {"email": "a\0@b"}}, "/user/email", "nul_character"),
        ({"user": {"name": "Ann", "phone": "1"}}, "/user/name", "unknown_field"),
        ({"colour": "red"}, "/colour", "unknown_field"),
        ({"a/b~c": 1}, "/a~1b~0c", "unknown_field"),
        ({"\ud800": 1}, "", "invalid_unicode"),
    ],
)
def test_refused_field_is_named_by_pointer_and_code(
    acme: httpx.Client, members: Wire, pointer: str, code: str
) -> None:
    answer = post(acme, lead("lead-1", action()) | members)

    assert answer.status_code == 422
    assert (pointer, code) in refusals(answer)
    assert stored_leads(acme) == []


@pytest.mark.parametrize(
    ("members", "pointer", "code"),
    [
        ({"engagement_level": "Extreme"}, "engagement_level", "unknown_engagement_level"),
        ({"engagement_level": ""}, "engagement_level", "unknown_engagement_level"),
        ({"engagement_level": 1}, "engagement_level", "wrong_type"),
        ({"engagement_level": True}, "engagement_level", "wrong_type"),
        ({"engagement_level": "\ud800"}, "engagement_level", "invalid_unicode"),
        ({"action_type": ""}, "action_type", "empty"),
        ({"action_type": " \t"}, "action_type", "empty"),
        ({"action_type": "x" * 201}, "action_type", "too_long"),
        ({"action_type": "\0"}, "action_type", "nul_character"),
        ({"action_type": ["Call"]}, "action_type", "wrong_type"),
        ({"timestamp": "2024-04-01T10:00:00"}, "timestamp", "timestamp_without_offset"),
        ({"timestamp": FUTURE}, "timestamp", "timestamp_in_future"),
        ({"timestamp": "0001-01-01T00:00:00Z"}, "timestamp", "timestamp_out_of_range"),
        ({"timestamp": "0001-01-01T00:00:00+23:59"}, "timestamp", "timestamp_out_of_range"),
        ({"timestamp": 10**400}, "timestamp", "wrong_type"),
        ({"amount": 5}, "amount", "unknown_field"),
    ],
)
def test_refused_field_of_an_action_is_named_by_pointer_and_code(
    acme: httpx.Client, members: Wire, pointer: str, code: str
) -> None:
    body = [lead("lead-0", action()), lead("lead-1", action(), action() | members)]

    answer = post(acme, body)

    assert answer.status_code == 207
    assert refusals(answer) == [(f"/1/actions/1/{pointer}", code)]
    assert stored_leads(acme) == ["lead-0"]


def test_every_refused_field_is_named_at_once(acme: httpx.Client) -> None:
    answer = post(acme, {"lead_id": "", "lead_type": 1, "actions": [{}], "extra": 0})

    assert {pointer for pointer, _ in refusals(answer)} == {
        "/lead_id",
        "/customer_id",
        "/product_id",
        "/lead_type",
        "/created_at",
        "/actions/0/action_type",
        "/actions/0/timestamp",
        "/actions/0/engagement_level",
        "/extra",
    }


def test_timestamp_a_little_ahead_of_our_clock_is_taken(acme: httpx.Client) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()

    assert post(acme, lead("lead-1", action(timestamp=soon), created_at=soon)).status_code == 201


def test_timestamp_further_ahead_than_five_minutes_is_refused(acme: httpx.Client) -> None:
    ahead = (datetime.now(UTC) + timedelta(minutes=5, seconds=30)).isoformat()

    answer = post(acme, lead("lead-1", action(timestamp=ahead)))

    assert refusals(answer) == [("/actions/0/timestamp", "timestamp_in_future")]


def test_lead_without_actions_is_worth_nothing(acme: httpx.Client) -> None:
    answer = post(acme, lead("lead-1"))

    assert statuses(answer) == ["created"]
    assert acme.get("/leads/lead-1").json()["totals"]["gross"] == "0.00"


@pytest.mark.parametrize(
    "sent",
    [
        action("Levitating"),
        action(engagement_level="hIGH"),
        action(timestamp="2023-12-01T00:00:00Z"),
        action(timestamp="0001-01-03T00:00:00Z"),
        action(timestamp="2024-04-01t10:05:00.123456789z"),
        action(timestamp="2024-02-29T23:59:59.999999-23:59"),
        action(timestamp="2024-02-29T23:59:59+16:00"),
    ],
)
def test_odd_but_valid_action_is_taken(acme: httpx.Client, sent: Wire) -> None:
    assert post(acme, lead("lead-1", sent)).status_code == 201
    assert acme.get("/leads/lead-1").json()["totals"]["gross"] == "10.00"


def test_lead_without_user_is_stored_with_a_warning(acme: httpx.Client) -> None:
    answer = post(acme, [lead("lead-0"), without(lead("lead-1", action()), "user")])

    warned = [result["warnings"] for result in answer.json()["results"]]
    assert warned[0] == []
    assert [(warning["pointer"], warning["code"]) for warning in warned[1]] == [
        ("/1/user", "missing_user")
    ]


def test_unknown_customer_and_product_are_both_named(acme: httpx.Client) -> None:
    answer = post(acme, [lead("lead-1", customer_id="x", product_id="y")])

    assert answer.status_code == 207
    assert refusals(answer) == [
        ("/0/customer_id", "unknown_customer"),
        ("/0/product_id", "unknown_product"),
    ]


def test_repeated_member_of_an_object_is_refused_by_name(acme: httpx.Client) -> None:
    body = (
        b'{"lead_id": "lead-1", "lead_id": "lead-2", "customer_id": "acme", "product_id": "abc",'
        b'"lead_type": "Webinar", "created_at": "2024-04-01T10:00:00Z",'
        b'"actions": [{"action_type": "a", "action_type": "b",'
        b'"timestamp": "2024-04-01T10:00:00Z", "engagement_level": "Low"}]}'
    )

    answer = post(acme, body)

    assert answer.status_code == 422
    assert sorted(refusals(answer)) == [
        ("/actions/0/action_type", "repeated_field"),
        ("/lead_id", "repeated_field"),
    ]


@pytest.mark.parametrize("number", [b"9" * 5000, b"1e999999", b"-0.0", b"1" + b"0" * 400])
def test_huge_number_is_a_wrong_type_like_any_other(acme: httpx.Client, number: bytes) -> None:
    answer = post(acme, b'{"lead_id": ' + number + b"}")

    assert answer.status_code == 422
    assert ("/lead_id", "wrong_type") in refusals(answer)


def test_depth_within_bounds_is_a_wrong_type_like_any_other(acme: httpx.Client) -> None:
    answer = post(acme, b'{"actions": ' + b"[" * 31 + b"]" * 31 + b"}")

    assert answer.status_code == 422
    assert ("/actions/0", "wrong_type") in refusals(answer)


def test_item_that_is_no_object_leaves_its_array_standing(acme: httpx.Client) -> None:
    answer = post(acme, [None, 1, "lead", [], lead("lead-1")])

    assert statuses(answer) == ["invalid"] * 4 + ["created"]
    assert refusals(answer) == [(f"/{index}", "wrong_type") for index in range(4)]


def test_refusals_of_one_lead_are_at_most_a_hundred(acme: httpx.Client) -> None:
    answer = post(acme, lead("lead-1", *[{} for _ in range(900)]))

    assert answer.status_code == 422
    assert len(refusals(answer)) == 100


# --- ids


UUID_ID = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"


def test_lead_is_known_by_its_id_as_it_was_sent_whatever_form_that_has(
    acme: httpx.Client,
) -> None:
    sent = (UUID_ID, UUID_ID.upper())

    first = [statuses(post(acme, lead(form, action()))) for form in sent]
    again = [statuses(post(acme, lead(form, action()))) for form in sent]

    assert (first, again) == ([["created"]] * 2, [["unchanged"]] * 2)
    assert sorted(stored_leads(acme)) == sorted(sent)


@pytest.mark.parametrize(
    "lead_id",
    [
        "x" * 128,
        "é" * 128,
        "💡",
        " ",
        " lead ",
        "a/b",
        "a?b#c",
        "..",
        "%2F",
        "' or 1=1 --",
        "<b>",
        UUID_ID.replace("-", ""),
    ],
)
def test_any_id_of_1_to_128_characters_is_taken_and_returned(
    acme: httpx.Client, lead_id: str
) -> None:
    answer = post(acme, lead(lead_id, action(), user={"phone": "1"}))

    assert statuses(answer) == ["created"]
    assert stored_leads(acme) == [lead_id]
    assert report(acme, "acme", "2024-04")["lines"][0]["lead_id"] == lead_id


def test_lead_is_json_with_or_without_saying_so(acme: httpx.Client) -> None:
    headers: list[dict[str, Any]] = [{}, {"content-type": "application/problem+json"}, JSON]
    body = json.dumps(lead("lead-1", action()))

    answers = [acme.post("/leads", content=body, headers=header) for header in headers]

    assert [answer.status_code for answer in answers] == [201, 200, 200]


def test_longest_texts_that_nothing_compresses_are_stored(
    acme: httpx.Client, engine: Engine
) -> None:
    chance = random.Random(1)  # noqa: S311 (for a text, not for a secret)
    wide = [chr(code) for code in range(0x20000, 0x2A6DF)]  # four bytes, and no two cases
    folded_longer = [chr(code) for code in range(0x1F80, 0x1FB0)]
    lead_type = "".join(chance.choices(wide, k=200))
    with engine.begin() as connection:
        add_lead_type(Session(connection), lead_type)
    spelled = [
        action(action_type="".join(chance.choices(letters, k=200)))
        for letters in (wide, folded_longer, wide + folded_longer * 500)
    ]

    answer = post(acme, lead("x" * 128, *spelled, lead_type=lead_type))

    assert answer.status_code == 201


def test_longest_texts_are_stored(acme: httpx.Client, engine: Engine) -> None:
    lead_type = "\U0001f4a1" * 200
    with engine.begin() as connection:
        add_lead_type(Session(connection), lead_type)
    # Folding its case makes three characters of this one.
    spelled = action(action_type="\u0390" * 200)

    answer = post(acme, lead("x" * 128, spelled, lead_type=lead_type))

    assert answer.status_code == 201
