"""Everything at once: ingesters, catch-ups, readers, closers, and changes of cards and zones.

Invariant: each reader holds what it reads against a full rating of its own snapshot.
"""

import json
import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.customers import register_customer
from common.catalog.products import register_product
from common.closing.close_period import close_period
from common.database.transactions import snapshot, transaction
from common.final_reports.models import BillingRun
from common.identifiers import customer_id
from common.leads.erasure import erase_user
from common.leads.ingestion import ingest_leads
from common.leads.models import QuarantinedLead
from common.leads.parsing import read_leads
from common.leads.replay import replay_one
from common.problems import Conflict, DatabaseUnavailable
from common.rating.rate_cards import add_rate_card
from common.rating.schemas import NewCard
from common.rating.standing_totals.catch_up import catch_up
from common.settings import settings
from common.voiding.schemas import NewVoid
from common.voiding.void import void_actions
from tests.support.standing_totals import check_standing_totals

CUSTOMERS = [f"customer-{number}" for number in range(6)]
PRODUCTS = [f"product-{number}" for number in range(3)]
_TYPES = ["Webinar", "Referral", "Website Visit"]
_ZONES = ["UTC", "Asia/Tokyo", "America/New_York"]
_CLOSES, _MOVES, _GETS_CARDS = CUSTOMERS[0], CUSTOMERS[4], CUSTOMERS[5]
_IN_APRIL = datetime(2024, 4, 15, tzinfo=UTC)
_Rate = tuple[str, str, str | None]
Work = Callable[[random.Random], None]


def fill() -> None:
    """Registers the customers, in different time zones and on different cards, and the products."""
    with transaction() as session:
        for number, name in enumerate(CUSTOMERS):
            register_customer(
                session, name, name, f"{name}@partner.test", timezone=_ZONES[number % 3]
            )
        for name in PRODUCTS:
            register_product(session, name, name, None)
        before_all = datetime(2023, 1, 1, tzinfo=UTC)
        rates: list[_Rate] = [("High", "9.00", None), ("Medium", "5.00", None)]
        rates.append(("Low", "0.00", None))
        add_rate_card(session, _card(CUSTOMERS[1], "2023-02", "60.00", rates), before_all)
        rates.append(("High", "17.00", "Webinar"))
        add_rate_card(session, _card(CUSTOMERS[2], "2023-02", "30.00", rates), before_all)


class Interleaving:
    """Works of several threads on one database, until the time is over or one of them fails."""

    def __init__(self, seconds: float, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.failures: list[str] = []
        self._seed = seed
        self._until = time.monotonic() + seconds
        self._known: list[str] = []

    def run(self) -> None:
        works: list[tuple[Work, float]] = [
            *[(self.ingest, 0.3)] * 3,
            *[(self.catch_up, 0.2)] * 2,
            *[(self.read, 0.05)] * 2,
            (self.change_zone, 0.7),
            (self.add_card, 0.7),
            (self.quarantine_and_replay, 0.7),
            (self.erase, 0.7),
            (self.void, 0.3),
            (self.close, 1.5),
        ]
        threads = [
            threading.Thread(target=self._loop, args=(work, pause, number))
            for number, (work, pause) in enumerate(works)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.failures, self.failures[0]

    def _loop(self, work: Work, pause: float, number: int) -> None:
        chance = random.Random(self._seed * 100 + number)  # noqa: S311
        while time.monotonic() < self._until and not self.failures:
            try:
                work(chance)
                self.done[work.__name__] += 1
            except DatabaseUnavailable:  # somebody kills it
                self.done["away"] += 1
            except Exception:
                self.failures.append(traceback.format_exc())
            time.sleep(pause * chance.random())

    def ingest(self, chance: random.Random) -> None:
        again = [chance.choice(self._known) for _ in range(chance.randrange(3)) if self._known]
        names = [*again, *(str(chance.getrandbits(64)) for _ in range(1 + chance.randrange(6)))]
        with transaction() as session:
            _store(session, [_lead(name, chance) for name in names])
            time.sleep(chance.choice([0, 0, 0.05]))  # some commit late
        self._known += names

    def catch_up(self, chance: random.Random) -> None:
        catch_up(chance.choice([None, *map(customer_id, CUSTOMERS)]))

    def read(self, chance: random.Random) -> None:
        with snapshot() as session:
            is_behind = session.scalar(text("select exists (select from rating_backlog)"))
            time.sleep(chance.choice([0, 0.03]))
            check_standing_totals(session)
        self.done["read with a backlog" if is_behind else "read without"] += 1

    def change_zone(self, chance: random.Random) -> None:
        with transaction() as session:
            zone = chance.choice(_ZONES)
            register_customer(session, _MOVES, _MOVES, f"{_MOVES}@partner.test", timezone=zone)

    def add_card(self, chance: random.Random) -> None:
        """For May, in April, when some actions of May are stored already."""
        rates: list[_Rate] = [
            ("High", f"{chance.randrange(1, 20)}.00", None),
            ("Medium", "4.00", None),
            ("Low", "1.00", None),
        ]
        owner = chance.choice([None, _GETS_CARDS])
        with transaction() as session:
            cap = chance.choice(["20.00", "80.00"])
            add_rate_card(session, _card(owner, "2024-05", cap, rates), _IN_APRIL)

    def quarantine_and_replay(self, chance: random.Random) -> None:
        product = f"product-{chance.getrandbits(32)}"
        lead = _lead(f"held-{product}", chance) | {"product_id": product}
        with transaction() as session:
            _store(session, [lead])
            register_product(session, product, product, None)
        with transaction() as session:
            waiting = select(QuarantinedLead.quarantine_id).where(
                QuarantinedLead.replayed_at.is_(None)
            )
            if (entry := session.scalar(waiting.limit(1))) is not None:
                replay_one(session, entry, settings(), datetime.now(UTC))

    def erase(self, chance: random.Random) -> None:
        user = f"user-{chance.randrange(6)}@people.test"
        with transaction() as session:
            erase_user(session, chance.choice(CUSTOMERS), user, settings())

    def void(self, chance: random.Random) -> None:
        if not self._known:
            return
        asked = NewVoid(reason="sent by mistake")
        with transaction() as session, suppress(Conflict):  # some are of a closed month
            void_actions(session, chance.choice(self._known), asked)

    def close(self, chance: random.Random) -> None:
        month = Period(chance.choice([date(2024, 3, 1), date(2024, 4, 1)]))
        with transaction() as session:
            run = BillingRun(period=month.start, actor="test")
            session.add(run)
            session.flush()
            try:
                close_period(session, customer_id(_CLOSES), month, run.run_id)
            except Conflict:  # March is still open
                self.done["refused to close"] += 1


def _store(session: Session, leads: list[dict[str, Any]]) -> None:
    posted = read_leads(json.dumps(leads), datetime.now(UTC), settings())
    assert not posted.refused
    ingest_leads(session.connection(), posted.leads, settings())


def _lead(name: str, chance: random.Random) -> dict[str, Any]:
    """Few users, types and instants, so that duplicates, ties and caps are the rule."""
    fixed = random.Random(name)  # noqa: S311 (a lead that is sent again keeps what is fixed)
    lead: dict[str, Any] = {
        "lead_id": name,
        "customer_id": fixed.choice(CUSTOMERS),
        "product_id": fixed.choice(PRODUCTS),
        "lead_type": fixed.choice(_TYPES),
        "created_at": datetime(2024, 4, 1 + fixed.randrange(28), tzinfo=UTC).isoformat(),
    }
    if fixed.random() < 0.8:
        lead["user"] = {"email": f"user-{fixed.randrange(6)}@people.test"}
    start = datetime(2024, 4, 1, tzinfo=UTC) - timedelta(hours=6)
    lead["actions"] = [
        {
            "action_type": chance.choice(["View", "view ", "Reply", "Like"]),
            "engagement_level": chance.choice(["Low", "Medium", "High"]),
            "timestamp": (start + timedelta(hours=chance.randrange(24 * 45))).isoformat(),
        }
        for _ in range(chance.randrange(5))
    ]
    return lead


def _card(owner: str | None, valid_from: str, cap: str, rates: list[_Rate]) -> NewCard:
    return NewCard.model_validate(
        {
            "customer_id": owner,
            "name": "Own",
            "valid_from": valid_from,
            "currency": "USD",
            "rates": [
                {"engagement_level": level, "amount": amount, "lead_type": lead_type}
                for level, amount, lead_type in rates
            ],
            "cap": {"amount": cap, "scope": "user"},
        }
    )
