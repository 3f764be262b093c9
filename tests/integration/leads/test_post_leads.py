"""POST /leads: the status of each answer, row by row of its contract, and its limits."""

import json

import httpx
import pytest
from sqlalchemy import create_engine

from common.database import engine as engine_module
from tests.support.api import Wire, action, lead, post, refusals, report, statuses, without
from tests.support.leads import counts, stored_leads

UNKNOWN = {"customer_id": "nobody"}
REFUSED = {"lead_type": "Palm Reading"}


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
    ],
)
def test_what_is_no_lead_nor_array_of_leads_is_400(acme: httpx.Client, body: bytes) -> None:
    answer = post(acme, body)

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:lead-billing:problem:malformed-request"


DEEP = b"[" * 33 + b"]" * 33


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        DEEP,
        b'{"lead_id": ' + DEEP + b"}",
        b'[{"user": {"email": ' + DEEP + b"}}]",
        b"[" + b"{}, " * 1000 + DEEP + b"]",
    ],
)
def test_body_that_is_nested_too_deep_is_413(acme: httpx.Client, body: bytes) -> None:
    answer = post(acme, body)

    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:lead-billing:problem:too-large"
    assert answer.json()["detail"] == "a body may be nested 32 deep; this one is nested deeper"


def test_good_leads_beside_a_deep_one_are_not_stored(acme: httpx.Client) -> None:
    good = json.dumps(lead("lead-1", action())).encode()

    answer = post(acme, b"[" + good + b", " + DEEP + b"]")

    assert answer.status_code == 413
    assert stored_leads(acme) == []


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


def test_body_over_6_mb_is_413(gateway: httpx.Client) -> None:
    """In the words of the gateway, which sends the function no more than 6 MB."""
    for body in (b"[" + b" " * 6 * 1024 * 1024 + b"]", b" " * (6 * 1024 * 1024 + 1)):
        answer = post(gateway, body)

        assert answer.status_code == 413
        assert answer.json() == {"message": "Request Entity Too Large"}


def test_database_that_is_away_is_503_with_retry_after(acme: httpx.Client) -> None:
    closed = create_engine("postgresql+psycopg2://u:p@127.0.0.1:1/none")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "get_engine", lambda *_role: closed)
        patch.setattr(engine_module, "get_autocommit_engine", lambda *_role: closed)
        single = post(acme, lead("lead-1"))
        array = post(acme, [lead("lead-1")])
        read = acme.get("/leads")

    assert [single.status_code, array.status_code, read.status_code] == [503, 503, 503]
    assert single.headers["retry-after"] == "5"


# --- what hostile bodies may cost


def test_object_with_more_members_than_any_lead_is_413(acme: httpx.Client) -> None:
    answer = post(acme, {str(number): 0 for number in range(51)})

    assert answer.status_code == 413
    assert "50 members" in answer.json()["detail"]


def test_answer_to_nothing_but_errors_fits_what_aws_hands_back(acme: httpx.Client) -> None:
    hostile = {"~" * 500 + str(number): 0 for number in range(50)}

    answer = post(acme, [{"actions": [{}] * 40} for _ in range(500)] + [hostile] * 200)

    counts_of_errors = [len(result["errors"]) for result in answer.json()["results"]]
    assert (answer.status_code, answer.json()["invalid"]) == (207, 700)
    assert (max(counts_of_errors), min(counts_of_errors)) == (100, 1)
    assert len(answer.content) < 1_000_000


def test_long_name_of_an_unknown_field_is_shortened(acme: httpx.Client) -> None:
    answer = post(acme, lead("lead-1") | {"a" * 5_000: 1})

    assert refusals(answer) == [("/" + "a" * 100 + "…", "unknown_field")]


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"actions":['])
def test_body_nested_without_end_is_413(acme: httpx.Client, opening: bytes) -> None:
    answer = post(acme, opening * 100_000)

    assert answer.status_code == 413
    assert answer.json()["detail"] == "a body may be nested 32 deep; this one is nested deeper"
