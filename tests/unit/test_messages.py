"""How leads lie in the queue's messages: whole, within its limits, and the same when read again."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.leads.parsing import validate_lead
from common.leads.schemas import Lead
from common.problems import DatabaseUnavailable
from functions.ingest.spill_queue import UnreadableMessage, _calls, leads_of, messages
from tests.support.api import Wire, action, lead
from tests.support.oracle import events_of
from tests.support.properties import examples

MAX_BYTES = 254 * 1024


def valid(wire: Wire) -> Lead:
    made = validate_lead(wire, datetime.now(UTC))
    assert isinstance(made, Lead), made
    return made


def sizes(bodies: list[str]) -> list[int]:
    return [len(body.encode()) for body in bodies]


def test_small_leads_share_a_message() -> None:
    leads = [valid(lead(f"l{number}", action())) for number in range(100)]

    (body,) = messages(leads)

    assert leads_of(body) == leads


def test_largest_batch_is_split_within_the_limit() -> None:
    leads = [
        valid(lead(f"l{number}", *[action(f"Call {place} " + "x" * 180) for place in range(30)]))
        for number in range(700)
    ]

    bodies = list(messages(leads))

    assert max(sizes(bodies)) <= MAX_BYTES
    assert [item for body in bodies for item in leads_of(body)] == leads


def test_lead_too_long_for_a_message_is_split_between_actions_that_differ() -> None:
    twice = [action(f"{place:03d}" + "語" * 190, "2024-04-01T10:00:00Z") for place in range(500)]
    wire = lead("l1", *twice, *twice)

    bodies = list(messages([valid(wire)]))

    parts = [part for body in bodies for part in leads_of(body)]
    assert len(parts) > 1
    assert max(sizes(bodies)) <= MAX_BYTES
    sent = {(event.lead_uuid, event.action) for event in events_of([wire], False)}
    read = [json.loads(part.model_dump_json()) for part in parts]
    assert {(event.lead_uuid, event.action) for event in events_of(read, False)} == sent


def test_more_equal_actions_than_a_message_holds_are_not_taken() -> None:
    equal = [action("語" * 200) for _ in range(1000)]

    with pytest.raises(DatabaseUnavailable, match="equal actions"):
        list(messages([valid(lead("l1", *equal))]))


def test_calls_to_sqs_keep_to_both_of_its_limits() -> None:
    bodies = ["x" * 100] * 25 + ["y" * (MAX_BYTES - 50)] * 2

    calls = list(_calls(bodies))

    assert [body for call in calls for body in call] == bodies
    assert max(len(call) for call in calls) <= 10
    assert max(sum(sizes(call)) for call in calls) <= MAX_BYTES


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@examples(200)
@given(TEXT.filter(str.strip).map(lambda text: text[:200]))
def test_any_text_comes_back_and_is_text_that_sqs_takes(text: str) -> None:
    sent = valid(lead("l1", action(text + "x" if not text.strip() else text)))

    (body,) = messages([sent])

    assert leads_of(body) == [sent]
    assert not any(sign in body for sign in ("\ufffe", "\uffff"))
    assert all(sign in "\t\n\r" or sign >= " " for sign in body)


@pytest.mark.parametrize("body", ["", "{}", "[1]", '[{"lead_id": "ann@people.test"}]', "null"])
def test_message_that_is_not_ours_is_refused_without_its_words(body: str) -> None:
    with pytest.raises(UnreadableMessage) as refused:
        leads_of(body)

    assert "ann@people.test" not in str(refused.value)


def test_time_accepted_once_is_not_judged_again() -> None:
    ahead = "2999-01-01T00:00:00Z"

    (read,) = leads_of(json.dumps([lead("l1", action(timestamp=ahead), created_at=ahead)]))

    assert read.actions[0].timestamp.year == 2999
