"""POST /leads, row by row of its contract."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from common.catalog.lead_types import add_lead_type
from common.database import engine as engine_module
from tests.support.api import (
    JSON,
    Wire,
    action,
    lead,
    post,
    refusals,
    register,
    report,
    statuses,
    without,
)

UNKNOWN = {"customer_id": "nobody"}
REFUSED = {"lead_type": "Palm Reading"}


def counts(answer: httpx.Response) -> dict[str, int]:
    return {
        key: n for key, n in answer.json().items() if isinstance(n, int) and n and key != "status"
    }


def stored_leads(client: httpx.Client) -> list[str]:
    return sorted(each["lead_id"] for each in client.get("/leads").json()["data"])


# --- the table: a single lead


def test_new_single_lead_is_201_created(acme: httpx.Client) -> None:
    answer = post(acme, lead("lead-1", action()))

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "created": 1,
        "updated": 0,
        "unchanged": 0,
        "quarantined": 0,
        "conflict": 0,
        "invalid": 0,
        "results": [
            {
                "index": 0,
                "lead_id": "lead-1",
                "status": "created",
                "actions_added": 1,
                "warnings": [],
                "errors": [],
            }
        ],
    }


def test_single_lead_again_is_200_unchanged(acme: httpx.Client) -> None:
    post(acme, lead("lead-1", action()))

    answer = post(acme, lead("lead-1", action()))

    assert (answer.status_code, counts(answer)) == (200, {"unchanged": 1})


def test_single_lead_with_more_actions_is_200_updated(acme: httpx.Client) -> None:
    post(acme, lead("lead-1", action()))

    answer = post(acme, lead("lead-1", action(), action("Call"), action("Chat")))

    assert (answer.status_code, counts(answer)) == (200, {"updated": 1})
    assert answer.json()["results"][0]["actions_added"] == 2


def test_single_invalid_lead_is_422(acme: httpx.Client) -> None:
    answer = post(acme, lead("lead-1", action(engagement_level="Extreme")))

    assert answer.status_code == 422
    document = answer.json()
    assert counts(answer) == {"invalid": 1}
    assert [error["pointer"] for error in document["errors"]] == ["/actions/0/engagement_level"]
    assert document["results"][0]["errors"] == document["errors"]


def test_single_conflicting_lead_is_409(acme: httpx.Client) -> None:
    post(acme, lead("lead-1", action()))

    answer = post(acme, lead("lead-1", action(), lead_type="Social Media"))

    assert (answer.status_code, counts(answer)) == (409, {"conflict": 1})
    assert refusals(answer) == [("/lead_type", "conflict")]


def test_single_lead_of_an_unknown_customer_is_202_quarantined(acme: httpx.Client) -> None:
    answer = post(acme, lead("lead-1", action(), **UNKNOWN))

    assert (answer.status_code, counts(answer)) == (202, {"quarantined": 1})
    assert refusals(answer) == [("/customer_id", "unknown_customer")]


# --- the table: an array


@pytest.mark.parametrize("items", [1, 3])
def test_array_of_new_leads_is_201(acme: httpx.Client, items: int) -> None:
    answer = post(acme, [lead(f"lead-{number}", action()) for number in range(items)])

    assert (answer.status_code, counts(answer)) == (201, {"created": items})


def test_array_of_new_and_known_leads_is_200(acme: httpx.Client) -> None:
    post(acme, [lead("lead-1", action()), lead("lead-2", action())])

    answer = post(
        acme,
        [lead("lead-1", action()), lead("lead-2", action(), action("Call")), lead("lead-3")],
    )

    assert (answer.status_code, statuses(answer)) == (200, ["unchanged", "updated", "created"])


def test_array_with_a_refused_lead_is_207_and_keeps_the_good_ones(acme: httpx.Client) -> None:
    post(acme, lead("known"))

    answer = post(
        acme,
        [
            lead("lead-0", action()),
            lead("lead-1", **REFUSED),
            lead("lead-2", **UNKNOWN),
            lead("known", product_id="def"),
            without(lead("lead-4"), "actions"),
            lead("lead-5", action()),
        ],
    )

    assert answer.status_code == 207
    assert statuses(answer) == [
        "created",
        "invalid",
        "quarantined",
        "conflict",
        "invalid",
        "created",
    ]
    assert refusals(answer) == [
        ("/1/lead_type", "unknown_lead_type"),
        ("/2/customer_id", "unknown_customer"),
        ("/3/product_id", "conflict"),
        ("/4/actions", "missing_field"),
    ]
    assert stored_leads(acme) == ["known", "lead-0", "lead-5"]


@pytest.mark.parametrize("refused", [REFUSED, UNKNOWN, {"lead_id": ""}])
def test_array_that_is_refused_whole_is_207(acme: httpx.Client, refused: Wire) -> None:
    answer = post(acme, [lead("lead-1") | refused])

    assert answer.status_code == 207


# --- the table: what is no lead


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b"[]",
        b"3",
        b'"text"',
        b"null",
        b"true",
        b"\xff\xfe",
        b'{"lead_id": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b"\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_lead_nor_array_of_leads_is_400(acme: httpx.Client, body: bytes) -> None:
    answer = post(acme, body)

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:lead-billing:problem:malformed-request"


def test_over_1000_leads_is_413_and_nothing_is_stored(acme: httpx.Client) -> None:
    answer = post(acme, [lead(f"lead-{number}") for number in range(1001)])

    assert answer.status_code == 413
    assert stored_leads(acme) == []


def test_1000_leads_are_taken(acme: httpx.Client) -> None:
    answer = post(acme, [lead(f"lead-{number}", action()) for number in range(1000)])

    assert (answer.status_code, counts(answer)) == (201, {"created": 1000})


def test_single_lead_of_over_1000_actions_is_413(acme: httpx.Client) -> None:
    answer = post(acme, lead("lead-1", *[action()] * 1001))

    assert answer.status_code == 413
    assert refusals(answer) == [("/actions", "too_many_actions")]


def test_lead_of_over_1000_actions_leaves_its_array_standing(acme: httpx.Client) -> None:
    answer = post(acme, [lead("lead-1", *[action()] * 1001), lead("lead-2")])

    assert (answer.status_code, statuses(answer)) == (207, ["invalid", "created"])
    assert refusals(answer) == [("/0/actions", "too_many_actions")]


def test_lead_of_1000_actions_is_taken(acme: httpx.Client) -> None:
    answer = post(acme, lead("lead-1", *[action()] * 1000))

    assert answer.status_code == 201
    assert report(acme, "acme", "2024-04")["totals"]["actions"] == 1000


def test_body_over_6_mb_is_413(acme: httpx.Client) -> None:
    padding = b" " * (6 * 1024 * 1024 + 1)

    assert post(acme, b"[" + padding + b"]").status_code == 413
    assert post(acme, padding).status_code == 413


def test_database_that_is_away_is_503_with_retry_after(acme: httpx.Client) -> None:
    closed = create_engine("postgresql+psycopg2://u:p@127.0.0.1:1/none")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "get_engine", lambda *_role: closed)
        single = post(acme, lead("lead-1"))
        array = post(acme, [lead("lead-1")])
        read = acme.get("/leads")

    assert [single.status_code, array.status_code, read.status_code] == [503, 503, 503]
    assert single.headers["retry-after"] == "5"


# --- the same lead again


def test_retried_request_changes_neither_bill_nor_savings(acme: httpx.Client) -> None:
    batch = [lead("lead-1", action(), action()), lead("lead-2", action())]
    post(acme, batch)
    before = report(acme, "acme", "2024-04")

    for _ in range(3):
        answer = post(acme, batch)
        assert statuses(answer) == ["unchanged", "unchanged"]

    after = report(acme, "acme", "2024-04")
    assert without(after, "generated_at") == without(before, "generated_at")


def test_fewer_actions_delete_nothing(acme: httpx.Client) -> None:
    post(acme, lead("lead-1", action(), action("Call")))

    answer = post(acme, lead("lead-1"))

    assert statuses(answer) == ["unchanged"]
    assert report(acme, "acme", "2024-04")["totals"]["actions"] == 2


def test_nth_occurrence_of_an_equal_action_is_an_action_of_its_own(acme: httpx.Client) -> None:
    post(acme, lead("lead-1", action()))

    answer = post(acme, lead("lead-1", action(), action(), action()))

    assert (statuses(answer), answer.json()["results"][0]["actions_added"]) == (["updated"], 2)
    assert report(acme, "acme", "2024-04")["totals"]["gross"] == "30.00"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"product_id": "def"}, "/product_id"),
        ({"lead_type": "Social Media"}, "/lead_type"),
        ({"created_at": "2024-04-01T09:55:01Z"}, "/created_at"),
        ({"user": {"email": "other@people.test"}}, "/user"),
        ({"user": {"phone": "1"}}, "/user"),
        ({"user": None}, "/user"),
    ],
)
def test_known_lead_with_another_attribute_is_a_conflict_and_nothing_is_written(
    api: httpx.Client, change: Wire, pointer: str
) -> None:
    register(api, products="abc def")
    post(api, lead("lead-1", action()))
    before = api.get("/leads/lead-1").json()

    answer = post(api, lead("lead-1", action(), action("Call")) | change)

    assert answer.status_code == 409
    assert (pointer, "conflict") in refusals(answer)
    assert api.get("/leads/lead-1").json() == before


def test_lead_that_gets_a_user_later_is_a_conflict(acme: httpx.Client) -> None:
    post(acme, without(lead("lead-1", action()), "user"))

    answer = post(acme, lead("lead-1", action()))

    assert refusals(answer) == [("/user", "conflict")]


@pytest.mark.parametrize(
    "change",
    [
        {"created_at": "2024-04-01T11:55:00+02:00"},
        {"user": {"email": " LEAD-1@people.test"}},
        {"user": {"email": "lead-1@people.test", "phone": "1"}},
    ],
)
def test_same_attributes_written_otherwise_are_no_conflict(
    acme: httpx.Client, change: Wire
) -> None:
    post(acme, lead("lead-1", action()))

    answer = post(acme, lead("lead-1", action()) | change)

    assert statuses(answer) == ["unchanged"]


def test_lead_several_times_in_one_request_is_the_union_of_its_actions(
    acme: httpx.Client,
) -> None:
    answer = post(
        acme,
        [
            lead("lead-1", action(), action("Call")),
            lead("lead-1", action("Call")),
            lead("lead-1", action("Chat"), action()),
        ],
    )

    assert statuses(answer) == ["created", "unchanged", "updated"]
    assert [result["actions_added"] for result in answer.json()["results"]] == [2, 0, 1]
    assert report(acme, "acme", "2024-04")["totals"]["gross"] == "30.00"


def test_of_two_different_leads_with_one_id_in_a_request_one_is_stored(
    acme: httpx.Client,
) -> None:
    answer = post(
        acme,
        [
            lead("lead-1", action(), lead_type="Social Media"),
            lead("lead-1", action("Call"), lead_type="Website Visit"),
        ],
    )

    assert (answer.status_code, statuses(answer)) == (207, ["created", "conflict"])
    shown = acme.get("/leads/lead-1").json()
    assert shown["lead_type"] == "Social Media"
    assert [each["action_type"] for each in shown["actions"]] == ["Form Submission"]


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
        ({"lead_type": "website visit"}, "/lead_type", "unknown_lead_type"),
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
        ({"user": {"email": " "}}, "/user/email", "empty"),
        ({"user": {"phone": "call me"}}, "/user/phone", "empty"),
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
    assert [(told["pointer"], told["code"]) for told in warned[1]] == [("/1/user", "missing_user")]


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
    answer = post(acme, b'{"actions": ' + b"[" * 400 + b"]" * 400 + b"}")

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


def test_content_type_does_not_matter(acme: httpx.Client) -> None:
    headers: list[dict[str, Any]] = [{}, {"content-type": "text/plain"}, JSON]

    answers = [
        acme.post("/leads", json=lead("lead-1", action()), headers=header) for header in headers
    ]

    assert [answer.status_code for answer in answers] == [201, 200, 200]


def test_longest_texts_that_nothing_compresses_are_stored(
    acme: httpx.Client, engine: Engine
) -> None:
    chance = random.Random(1)  # noqa: S311 (for a text, not for a secret)
    wide = [chr(each) for each in range(0x20000, 0x2A6DF)]  # four bytes, and no two cases
    folded_longer = [chr(each) for each in range(0x1F80, 0x1FB0)]
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


# --- what hostile bodies may cost


def test_object_with_more_members_than_any_lead_is_413(acme: httpx.Client) -> None:
    answer = post(acme, {str(number): 0 for number in range(51)})

    assert answer.status_code == 413
    assert "50 members" in answer.json()["detail"]


def test_answer_to_nothing_but_errors_fits_what_aws_hands_back(acme: httpx.Client) -> None:
    hostile = {"~" * 500 + str(number): 0 for number in range(50)}

    answer = post(acme, [{"actions": [{}] * 40} for _ in range(500)] + [hostile] * 200)

    told = [len(result["errors"]) for result in answer.json()["results"]]
    assert (answer.status_code, answer.json()["invalid"]) == (207, 700)
    assert (max(told), min(told)) == (100, 1)
    assert len(answer.content) < 1_000_000


def test_long_name_of_an_unknown_field_is_told_by_its_beginning(acme: httpx.Client) -> None:
    answer = post(acme, lead("lead-1") | {"a" * 5_000: 1})

    assert refusals(answer) == [("/" + "a" * 100 + "…", "unknown_field")]


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"actions":['])
def test_body_nested_without_end_is_400(acme: httpx.Client, opening: bytes) -> None:
    answer = post(acme, opening * 100_000)

    assert answer.status_code == 400
    assert answer.json()["detail"] == "the body is nested too deeply"
