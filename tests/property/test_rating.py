"""The rules as properties: what the SQL decides is what the oracle says, whatever was sent."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, text
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.customers import register_customer
from common.catalog.products import register_product
from common.database.sql_loader import load_statement
from common.identifiers import customer_id, product_id
from common.leads.ingestion import ingest_leads
from common.leads.parsing import read_leads
from common.leads.results import Result, Status
from common.leads.search import get_lead
from common.rating import rated_lines
from common.rating.active_periods import active_periods
from common.rating.line import Line
from common.rating.models import RateCard, RateCardChargedDuplicates, RateCardRate
from common.rating.rated_lines import LineKey
from common.rating.scope import Scope
from common.rating.totals import Totals
from common.reports.draft import draft_report
from common.reports.lead_history import lead_lines
from common.reports.model import Report
from common.reports.months import find_month
from common.settings import MissingUser, Settings
from tests.support import oracle
from tests.support.properties import examples

Wire = dict[str, Any]
Moment = date | datetime | None

ZONES = [
    "UTC",
    "Asia/Kolkata",
    "America/St_Johns",
    "America/Asuncion",  # 2017-10-01 begins at 01:00
    "America/Havana",  # 2015-11-01 has two midnights
    "Pacific/Apia",  # 2011-12-30 was left out
    "Europe/Berlin",
]
MONTHS = [date(2024, 4, 1), date(2017, 10, 1), date(2011, 12, 1), date(2015, 11, 1)]
CUSTOMERS = ["acme", "beta/öl", "gamma 3"]
PRODUCTS = ["abc", "def"]
LEAD_TYPES = ["Website Visit", "Social Media"]
ACTION_TYPES = ["Page View", " page  VIEW ", "Straße", "STRASSE", "Share"]
LEVELS = ["High", "medium", "LOW", "hIgH"]
USERS = [
    None,
    {"email": "Ann@Example.com "},
    {"email": "ann@example.com", "phone": "1"},
    {"phone": "+1 (555) 0100"},
    {"phone": "+15550100", "external_id": "u"},
    {"phone": "15550100"},
    {"external_id": " 15550100 "},
]
SECRET = "tests-only-key-of-at-least-32-characters"


@st.composite
def instants(draw: st.DrawFn, month: date) -> str:
    """About a month, often at its very ends in some zone, written with any offset."""
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    edge = oracle.month_start(draw(st.sampled_from([month, oracle.next_month(month)])), zone)
    shift = draw(
        st.sampled_from([timedelta(microseconds=-1), timedelta(0), timedelta(minutes=30)])
        | st.integers(-24, 31 * 4).map(lambda quarters: timedelta(hours=6 * quarters))
    )
    offset = timezone(timedelta(minutes=draw(st.sampled_from([0, 330, -210, 765]))))
    text = (edge + shift).astimezone(offset).isoformat()
    return text.replace("+00:00", "Z")


@st.composite
def leads(draw: st.DrawFn, month: date, number: int, most_actions: int = 6) -> Wire:
    times = draw(st.lists(instants(month), min_size=1, max_size=3))
    lead = {
        "lead_id": draw(
            st.sampled_from([f"lead-{number}", f"{number:08X}-0000-4000-8000-00000000000A"])
        ),
        "customer_id": draw(st.sampled_from(CUSTOMERS)),
        "product_id": draw(st.sampled_from(PRODUCTS)),
        "lead_type": draw(st.sampled_from(LEAD_TYPES)),
        "created_at": draw(st.sampled_from(times)),
        "actions": draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "action_type": st.sampled_from(ACTION_TYPES),
                        "timestamp": st.sampled_from(times),
                        "engagement_level": st.sampled_from(LEVELS),
                    }
                ),
                max_size=most_actions,
            )
        ),
    }
    user = draw(st.sampled_from(USERS))
    return lead | ({"user": user} if user else {})


@st.composite
def rate_cards(draw: st.DrawFn, month: date) -> list[oracle.Card]:
    """The default card, and sometimes newer ones, of customers too."""
    cents = st.sampled_from([0, 200, 333, 500, 1000, 2501])
    cards = [oracle.DEFAULT_CARD]
    for owner in [None, *CUSTOMERS]:
        starts = st.sampled_from([date(2000, 1, 1), month, oracle.next_month(month)])
        for version, valid_from in enumerate(draw(st.lists(starts, max_size=2)), start=2):
            places = st.tuples(
                st.sampled_from(oracle.LEVELS),
                st.sampled_from([None, *PRODUCTS]),
                st.sampled_from([None, *LEAD_TYPES]),
            )
            prices = draw(st.dictionaries(places, cents, max_size=6))
            prices |= {(level, None, None): draw(cents) for level in oracle.LEVELS}
            cards.append(
                oracle.Card(
                    tuple(
                        oracle.Rate(level, amount, product, lead_type)
                        for (level, product, lead_type), amount in prices.items()
                    ),
                    owner,
                    version,
                    valid_from,
                    draw(st.sampled_from([0, 700, 1500, 10_000])),
                    draw(st.sampled_from(["user", "user_and_product"])),
                    tuple(sorted(draw(st.sets(st.sampled_from(LEAD_TYPES))))),
                    owner is not None and draw(st.sampled_from([False, False, True])),
                )
            )
    return cards


class World:
    """A database with customers, products and cards, and what was decided in it."""

    def __init__(
        self, connection: Connection, zones: dict[str, str], cards: list[oracle.Card]
    ) -> None:
        self.connection = connection
        self.session = Session(connection)
        self.zones = zones
        for name, zone in zones.items():
            register_customer(
                Session(connection), name, name, f"{len(name)}@{ord(name[0])}.test", zone
            )
        for name in PRODUCTS:
            register_product(self.session, name, name, None)
        for card in cards:
            if card is not oracle.DEFAULT_CARD:
                self._add(card)

    def _add(self, card: oracle.Card) -> None:
        (card_id,) = self.connection.execute(
            insert(RateCard)
            .values(
                customer_id=card.customer_id and customer_id(card.customer_id),
                name="Another",
                version=card.version,
                valid_from=card.valid_from,
                cap_cents=card.cap_cents,
                cap_scope=card.cap_scope,
                follows_default=card.follows_default,
            )
            .returning(RateCard.rate_card_id)
        ).one()
        if card.follows_default:
            return
        self.connection.execute(
            insert(RateCardRate),
            [
                {
                    "rate_card_id": card_id,
                    "engagement_level": rate.level,
                    "lead_type": rate.lead_type,
                    "product_id": rate.product_id and product_id(rate.product_id),
                    "amount_cents": rate.cents,
                }
                for rate in card.rates
            ],
        )
        for lead_type in card.duplicates_charged_for:
            self.connection.execute(
                insert(RateCardChargedDuplicates).values(rate_card_id=card_id, lead_type=lead_type)
            )

    def post(self, batch: list[Wire], missing_user: str = "per_customer") -> list[Result]:
        """Stores a batch and demands that all of it was."""
        if not batch:
            return []
        posted = read_leads(json.dumps(batch), datetime.now(UTC))
        assert not posted.refused
        results = ingest_leads(
            self.session,
            posted.leads,
            Settings(user_hash_key=SECRET, missing_user=MissingUser(missing_user)),
        )
        assert all(result.status.is_stored for result in results)
        return sorted(results, key=lambda result: result.index)

    def report(self, name: str, month: date) -> tuple[Report, list[Line]]:
        found = find_month(self.session, name, Period(month))
        report, _ = draft_report(self.session, found)
        return report, list(report.lines)

    def lines(self, start: Moment = None, end: Moment = None) -> oracle.Bills:
        """Every line of every customer's months within a range, in the oracle's words."""
        pairs = active_periods(self.session, None, None, None)
        names = {customer_id(name): name for name in self.zones}
        by_pair: oracle.Bills = {}
        for owner, month in pairs:
            found = list(
                rated_lines.lines(
                    self.session,
                    Scope([(owner, month)], start=start, end=end),
                )
            )
            whole = rated_lines.lines(self.session, Scope([(owner, month)]))
            keys = {line.action_id: _action(key) for line, key in whole}
            if found:
                by_pair[names[owner], month] = [_as_oracle(line, key, keys) for line, key in found]
        return by_pair


def _action(key: LineKey) -> oracle.Action:
    return key.action_key, key.engagement_level.value, key.timestamp, key.occurrence


def _as_oracle(line: Line, key: LineKey, keys: dict[str, oracle.Action]) -> oracle.Line:
    repeated = None
    if line.duplicate_of_action_id is not None:
        assert line.duplicate_of_lead_id is not None
        repeated = (line.duplicate_of_lead_id, keys[line.duplicate_of_action_id])
        assert line.duplicate_of_timestamp == repeated[1][2]
    assert oracle.fold(line.action_type) == key.action_key
    return oracle.Line(
        line.lead_id,
        line.product_id,
        line.lead_type,
        _action(key),
        line.gross_cents,
        line.billed_cents,
        line.duplicate_cents,
        line.cap_cents,
        line.cap_used_before_cents,
        line.outcome.value,
        repeated,
        line.rate,
    )


@contextmanager
def world(
    connection: Connection, zones: dict[str, str], cards: list[oracle.Card]
) -> Iterator[World]:
    """A world that is gone when the block ends."""
    with connection.engine.connect() as own, own.begin() as transaction:
        yield World(own, zones, cards)
        transaction.rollback()


@st.composite
def worlds(
    draw: st.DrawFn, most_leads: int = 8
) -> tuple[list[Wire], list[oracle.Card], dict[str, str]]:
    month = draw(st.sampled_from(MONTHS))
    zones = {name: draw(st.sampled_from(ZONES)) for name in CUSTOMERS}
    batch = [draw(leads(month, number)) for number in range(draw(st.integers(1, most_leads)))]
    return batch, draw(rate_cards(month)), zones


Example = tuple[list[Wire], list[oracle.Card], dict[str, str]]


@examples(45)
@given(worlds(), st.sampled_from(["per_customer", "per_lead"]))
def test_sql_decides_every_line_as_the_oracle_does(
    connection: Connection, example: Example, missing_user: str
) -> None:
    batch, cards, zones = example

    with world(connection, zones, cards) as decided:
        decided.post(batch, missing_user)

        expected = oracle.bills(batch, cards, zones, user_per_lead=missing_user == "per_lead")
        assert decided.lines() == expected


def _flattened(card: oracle.Card) -> oracle.Card:
    """The card with its prices by level only, no charged duplicates and one cap for each user."""
    if card is oracle.DEFAULT_CARD:
        return card
    rates = tuple(rate for rate in card.rates if rate.product_id is None and rate.lead_type is None)
    return replace(card, rates=rates, cap_scope="user", duplicates_charged_for=())


@examples(30)
@given(worlds())
def test_both_statements_rate_a_month_on_a_flat_card_alike(
    connection: Connection, example: Example
) -> None:
    batch, cards, zones = example

    with world(connection, zones, [_flattened(card) for card in cards]) as rated:
        rated.post(batch)

        for owner, month in active_periods(rated.session, None, None, None):
            lines = rated.connection.execute(
                text(load_statement("rating", "rate_month")), Scope([(owner, month)]).parameters()
            )
            lines_on_flat_card = rated.connection.execute(
                text(load_statement("rating", "rate_flat_card_month")),
                {"customer_id": str(owner), "period": month},
            )
            assert lines_on_flat_card.keys() == lines.keys()
            assert {*lines_on_flat_card} == {*lines}


@examples(15)
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


@examples(30)
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

    with world(connection, zones, cards) as decided:
        results = [decided.post(post) for post in posts]

        assert decided.lines() == oracle.bills(batch, cards, zones)
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


@examples(15)
@given(worlds(), st.data())
def test_a_lead_posted_again_changes_no_line(
    connection: Connection, example: Example, data: st.DataObject
) -> None:
    batch, cards, zones = example
    again = [
        lead | {"actions": data.draw(st.permutations(lead["actions"]))}
        for lead in data.draw(st.permutations(batch + batch))
    ]

    with world(connection, zones, cards) as decided:
        decided.post(batch)
        before = decided.lines()
        results = decided.post(again)

        assert {result.status for result in results} == {Status.UNCHANGED}
        assert decided.lines() == before


@examples(15)
@given(worlds())
def test_every_breakdown_sums_to_the_totals_and_no_user_costs_more_than_the_cap(
    connection: Connection, example: Example
) -> None:
    batch, cards, zones = example

    with world(connection, zones, cards) as decided:
        decided.post(batch)

        for name, month in oracle.bills(batch, cards, zones):
            report, lines = decided.report(name, month)
            card = oracle.card_in_force(cards, name, month)
            for line in lines:
                assert line.gross_cents == line.billed_cents + line.duplicate_cents + line.cap_cents
                assert min(line.billed_cents, line.duplicate_cents, line.cap_cents) >= 0
            columns = zip(*_cents(lines), strict=True)
            assert _money(report.totals) == [sum(column) for column in columns]
            for part in report.parts:
                assert _sum(group.totals for group in part) == report.totals
            if card.cap_scope == "user":
                costs = [user.totals.billed_cents for user in report.parts.by_user]
                assert all(cost <= card.cap_cents for cost in costs)


def _cents(lines: list[Line]) -> list[tuple[int, int, int, int]]:
    return [
        (line.gross_cents, line.billed_cents, line.duplicate_cents, line.cap_cents)
        for line in lines
    ]


def _money(totals: Totals) -> list[int]:
    return list(totals[:4])


def _sum(parts: Iterator[Totals]) -> Totals:
    total = Totals()
    for part in parts:
        total = total.plus(part)
    return total


@examples(15)
@given(worlds(), st.data())
def test_a_range_selects_from_lines_decided_over_the_whole_month(
    connection: Connection, example: Example, data: st.DataObject
) -> None:
    batch, cards, zones = example
    stamps = sorted({oracle.instant(a["timestamp"]) for lead in batch for a in lead["actions"]})
    assume(stamps)
    start = data.draw(st.sampled_from(stamps))
    end = data.draw(st.sampled_from(stamps))

    with world(connection, zones, cards) as decided:
        decided.post(batch)

        expected = {
            pair: [line for line in lines if start <= line.action[2] < end]
            for pair, lines in oracle.bills(batch, cards, zones).items()
        }
        shown = decided.lines(start, end)
        assert shown == {pair: lines for pair, lines in expected.items() if lines}


@examples(15)
@given(worlds(), st.data())
def test_bare_dates_of_a_range_are_midnights_in_the_customers_zone(
    connection: Connection, example: Example, data: st.DataObject
) -> None:
    batch, cards, zones = example
    bills = oracle.bills(batch, cards, zones)
    assume(bills)
    month = data.draw(st.sampled_from(sorted({month for _, month in bills})))

    with world(connection, zones, cards) as decided:
        decided.post(batch)

        shown = decided.lines(month, oracle.next_month(month))
        assert shown == {pair: lines for pair, lines in bills.items() if pair[1] == month}


@examples(15)
@given(worlds(), st.integers(1, 4))
def test_pages_of_lines_are_the_whole_in_canonical_order(
    connection: Connection, example: Example, most: int
) -> None:
    batch, cards, zones = example

    with world(connection, zones, cards) as decided:
        decided.post(batch)

        for name, month in oracle.bills(batch, cards, zones):
            found = find_month(decided.session, name, Period(month))
            _, whole = decided.report(name, month)
            paged: list[Line] = []
            after = None
            while True:
                report, after = draft_report(decided.session, found, after=after, most=most)
                paged += report.lines
                if after is None:
                    break
            assert paged == whole


@examples(15)
@given(worlds())
def test_a_lead_shows_the_lines_its_months_reports_show(
    connection: Connection, example: Example
) -> None:
    batch, cards, zones = example

    with world(connection, zones, cards) as decided:
        decided.post(batch)

        expected: dict[tuple[str, str], set[str]] = {
            (lead["customer_id"], lead["lead_id"]): set() for lead in batch
        }
        for name, month in oracle.bills(batch, cards, zones):
            for line in decided.report(name, month)[1]:
                expected[name, line.lead_id].add(repr(line))
        for (owner, lead_id), lines in expected.items():
            lead = get_lead(decided.session, lead_id, owner)
            shown = lead_lines(decided.session, lead)
            assert {repr(each.line) for each in shown} == lines


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

    with world(connection, {"acme": zone}, []) as decided:
        decided.post([lead])

        assert list(decided.lines()) == [("acme", month)]
        assert [line.lead_id for line in decided.report("acme", month)[1]] == ["l"]
