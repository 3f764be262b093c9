"""Rating as properties: the SQL rates as the oracle does, whatever was sent, in any order."""

from dataclasses import replace
from datetime import date
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from common.database.sql_loader import load_statement
from common.leads.results import Status
from common.rating.periods import RatingScope, active_periods
from tests.support import oracle
from tests.support.properties import examples
from tests.support.worlds import Example, Wire, world, worlds


@examples(25)
@given(worlds(), st.sampled_from(["per_customer", "per_lead"]))
def test_sql_rates_every_action_as_the_oracle_does(
    connection: Connection, example: Example, missing_user: str
) -> None:
    batch, cards, zones = example

    with world(connection, zones, cards) as rated:
        rated.post(batch, missing_user)

        expected = oracle.bills(batch, cards, zones, user_per_lead=missing_user == "per_lead")
        assert rated.lines() == expected


def _flattened(card: oracle.Card) -> oracle.Card:
    """The card with its prices by level only, no charged duplicates and one cap for each user."""
    if card is oracle.DEFAULT_CARD:
        return card
    rates = tuple(rate for rate in card.rates if rate.product_id is None and rate.lead_type is None)
    return replace(card, rates=rates, cap_scope="user", duplicates_charged_for=())


@examples(18)
@given(worlds())
def test_both_statements_rate_a_month_on_a_flat_card_alike(
    connection: Connection, example: Example
) -> None:
    batch, cards, zones = example

    with world(connection, zones, [_flattened(card) for card in cards]) as rated:
        rated.post(batch)

        for owner, month in active_periods(rated.session, None, None, None):
            lines = rated.connection.execute(
                text(load_statement("rating", "rate_month")),
                RatingScope([(owner, month)]).parameters(),
            )
            lines_on_flat_card = rated.connection.execute(
                text(load_statement("rating", "rate_flat_card_month")),
                {"customer_id": str(owner), "period": month},
            )
            assert lines_on_flat_card.keys() == lines.keys()
            assert {*lines_on_flat_card} == {*lines}


@examples(9)
@given(worlds(), st.data())
def test_any_order_of_the_same_leads_gives_the_same_lines(
    connection: Connection, example: Example, data: st.DataObject
) -> None:
    batch, cards, zones = example
    shuffled = data.draw(st.permutations(batch))
    half = data.draw(st.integers(0, len(batch)))

    with world(connection, zones, cards) as one:
        one.post(batch)
        in_order = one.lines()
    with world(connection, zones, cards) as other:
        other.post(shuffled[:half])
        other.post(shuffled[half:])

        assert other.lines() == in_order


@examples(18)
@given(worlds(most_leads=4), st.data())
def test_any_split_of_leads_over_requests_gives_the_same_lines(
    connection: Connection, example: Example, data: st.DataObject
) -> None:
    batch, cards, zones = example
    pieces = data.draw(st.permutations([part for lead in batch for part in _parts(data, lead)]))
    sizes = st.integers(1, len(pieces))
    posts = []
    while pieces:
        size = data.draw(sizes)
        posts.append(pieces[:size])
        pieces = pieces[size:]

    with world(connection, zones, cards) as rated:
        results = [rated.post(post) for post in posts]

        assert rated.lines() == oracle.bills(batch, cards, zones)
        for lead in batch:
            _check_statuses(
                lead,
                [
                    (result.status, result.actions_added)
                    for post, answers in zip(posts, results, strict=True)
                    for piece, result in zip(post, answers, strict=True)
                    if piece["lead_id"] == lead["lead_id"]
                ],
            )


def _parts(data: st.DataObject, lead: Wire) -> list[Wire]:
    """The lead's actions over several posts, some of them in more than one.

    Equal actions stay together: apart, each would be the first of its kind, and so the same.
    """

    def same(numbered: tuple[oracle.Action, Wire]) -> tuple[Any, ...]:
        return numbered[0][:3]

    numbered = sorted(
        zip(oracle.actions_of(lead), lead["actions"], strict=True), key=lambda pair: pair[0]
    )
    groups = [[sent for _, sent in group] for _, group in groupby(numbered, key=same)]
    count = data.draw(st.integers(1, 3))
    homes = [data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=2)) for _ in groups]
    return [
        lead
        | {
            "actions": [
                action
                for group, home in zip(groups, homes, strict=True)
                if number in home
                for action in group
            ]
        }
        for number in range(count)
    ]


def _check_statuses(lead: Wire, answers: list[tuple[Status, int]]) -> None:
    """The first creates the lead, and each action is added once, by an answer that says so."""
    (first, _), *rest = answers
    assert first is Status.CREATED
    assert all((status is Status.UPDATED) == (added > 0) for status, added in rest)
    assert Status.CREATED not in [status for status, _ in rest]
    assert sum(added for _, added in answers) == len(lead["actions"])


@examples(40)
@given(worlds(most_leads=2), st.data())
def test_any_order_of_two_spellings_shows_the_same_one(
    connection: Connection, example: Example, data: st.DataObject
) -> None:
    batch, cards, zones = example
    respelled = [
        lead
        | {
            "actions": [
                action | {"action_type": data.draw(st.sampled_from([action["action_type"], other]))}
                for action in data.draw(st.permutations(lead["actions"]))
                for other in [_OTHER_SPELLINGS[action["action_type"]]]
            ]
        }
        for lead in batch
    ]
    posts = data.draw(st.permutations(batch + respelled))
    at = data.draw(st.integers(0, len(posts)))

    with world(connection, zones, cards) as rated:
        rated.post(posts[:at])
        rated.post(posts[at:])

        assert rated.spellings() == oracle.spellings(posts)


_OTHER_SPELLINGS = {
    "Page View": "PAGE VIEW",
    " page  VIEW ": "Page View",
    "Straße": "STRASSE",
    "STRASSE": "strasse",
    "Sh\u200bare": "share",
    "Share": "SHARE",
}


@examples(9)
@given(worlds(), st.data())
def test_a_lead_posted_again_changes_no_line(
    connection: Connection, example: Example, data: st.DataObject
) -> None:
    batch, cards, zones = example
    again = [
        lead | {"actions": data.draw(st.permutations(lead["actions"]))}
        for lead in data.draw(st.permutations(batch + batch))
    ]

    with world(connection, zones, cards) as rated:
        rated.post(batch)
        before = rated.lines()
        results = rated.post(again)

        assert {result.status for result in results} == {Status.UNCHANGED}
        assert rated.lines() == before


@pytest.mark.parametrize(
    ("zone", "moment", "month"),
    [
        ("America/Asuncion", "2017-10-01T03:59:59Z", date(2017, 9, 1)),
        ("America/Asuncion", "2017-10-01T04:00:00Z", date(2017, 10, 1)),
        ("America/Havana", "2015-11-01T03:59:59Z", date(2015, 10, 1)),
        ("America/Havana", "2015-11-01T04:00:00Z", date(2015, 11, 1)),
        ("America/Havana", "2015-11-01T04:30:00Z", date(2015, 11, 1)),
        ("America/St_Johns", "2009-11-01T02:30:30Z", date(2009, 11, 1)),
        ("America/St_Johns", "2009-11-01T03:00:00Z", date(2009, 11, 1)),
        ("Pacific/Apia", "2011-12-31T09:59:59Z", date(2011, 12, 1)),
        ("Pacific/Apia", "2011-12-31T10:00:00Z", date(2012, 1, 1)),
        ("Asia/Kolkata", "2024-03-31T18:30:00Z", date(2024, 4, 1)),
    ],
)
def test_month_begins_at_the_first_midnight_of_the_customers_clocks(
    connection: Connection, zone: str, moment: str, month: date
) -> None:
    lead = {
        "lead_id": "l",
        "customer_id": "acme",
        "product_id": "abc",
        "lead_type": "Website Visit",
        "created_at": moment,
        "actions": [{"action_type": "Like", "timestamp": moment, "engagement_level": "Low"}],
    }

    with world(connection, {"acme": zone}, []) as rated:
        rated.post([lead])

        assert list(rated.lines()) == [("acme", month)]
        assert [line.lead_id for line in rated.report("acme", month)[1]] == ["l"]
