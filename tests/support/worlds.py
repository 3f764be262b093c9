"""Random leads and rate cards, and a world that rates them by the SQL and by the oracle."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from sqlalchemy import Connection, insert, text
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.customers import register_customer
from common.catalog.products import register_product
from common.identifiers import customer_id, product_id
from common.leads.ingestion import ingest_leads
from common.leads.parsing import read_leads
from common.leads.results import STORED, Result
from common.rating import rated_lines
from common.rating.line import Line, LineKey
from common.rating.models import RateCard, RateCardChargedDuplicates, RateCardRate
from common.rating.periods import RatingScope, active_periods
from common.reports.draft import draft_report
from common.reports.model import Report
from common.reports.months import find_month
from common.settings import MissingUser, Settings
from tests.support import oracle

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
ACTION_TYPES = ["Page View", " page  VIEW ", "Straße", "STRASSE", "Sh\u200bare", "Share"]
LEVELS = ["High", "medium", "LOW", "hIgH"]
USERS = [
    None,
    {"email": "Ann@Example.com "},
    {"email": "ann@example.com", "phone": "1"},
    {"phone": "+1 (555) 0100"},
    {"phone": "+15550100", "external_id": "u"},
    {"phone": "15550100"},
    {"phone": "001 555 0100 ext. 2", "email": "n/a"},
    {"email": "ju\u0308rgen@Mu\u0308nchen.example", "phone": "anonymous"},
    {"email": "j\u00fcrgen@xn--mnchen-3ya.example\u200b"},
    {"email": "", "phone": "-"},
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
    written = (edge + shift).astimezone(offset).isoformat()
    return written.replace("+00:00", "Z")


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


_SPELLINGS = text(
    "select lead_id, action_key, engagement_level::text, timestamp, occurrence, action_type "
    "from actions"
)


class World:
    """A database with customers, products and cards, and what was rated in it."""

    def __init__(
        self, connection: Connection, zones: dict[str, str], cards: list[oracle.Card]
    ) -> None:
        self.connection = connection
        self.session = Session(connection)
        self.zones = zones
        for name, zone in zones.items():
            email = f"{len(name)}@{ord(name[0])}.test"
            register_customer(Session(connection), name, name, email, timezone=zone)
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
        settings = Settings(user_hash_key=SECRET, missing_user=MissingUser(missing_user))
        posted = read_leads(json.dumps(batch), datetime.now(UTC), settings)
        assert not posted.refused
        results = ingest_leads(self.connection, posted.leads, settings)
        assert all(result.status in STORED for result in results)
        return sorted(results, key=lambda result: result.index)

    def spellings(self) -> dict[tuple[UUID, oracle.Action], str]:
        """How each stored action is shown."""
        rows = self.connection.execute(_SPELLINGS)
        return {(row[0], tuple(row[1:5])): row.action_type for row in rows}

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
                rated_lines.rated_lines(
                    self.session,
                    RatingScope([(owner, month)], start=start, end=end),
                )
            )
            whole = rated_lines.rated_lines(self.session, RatingScope([(owner, month)]))
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
