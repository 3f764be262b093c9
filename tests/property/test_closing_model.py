"""Settlement as a state machine: whatever is posted, voided, closed, disputed and repriced in
whatever order, it adds up."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, insert
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.customers import get_customer
from common.closing.close_period import close_period
from common.closing.reconciliation import reconcile
from common.closing.verification import verify_report
from common.disputes.disputing import open_dispute, resolve_dispute
from common.disputes.schemas import NewDispute, Resolution
from common.disputes.search import get_dispute
from common.enums import DisputeStatus
from common.final_reports.models import BillingRun
from common.money import amount
from common.problems import Conflict
from common.rating.line import Line
from common.rating.rate_cards import add_rate_card
from common.rating.schemas import NewCard
from common.reports.draft import draft_report
from common.reports.final import final_report
from common.reports.listing import EntryFilter, list_entries
from common.reports.model import Report
from common.reports.months import find_month
from common.voiding.schemas import NewVoid
from common.voiding.void import void_actions
from services.reports.api.schemas.reports import Report as ReportAnswer
from tests.support import oracle
from tests.support.closing_oracle import Ledger, Statement
from tests.support.properties import examples
from tests.support.worlds import World, instants

Wire = dict[str, Any]

ZONES = {"acme": "Asia/Kolkata", "beta/öl": "America/St_Johns"}
MONTHS = [date(2024, 3, 1), date(2024, 4, 1), date(2024, 5, 1)]
SMALL_CAP = oracle.Card(
    (oracle.Rate("High", 1000), oracle.Rate("Medium", 333), oracle.Rate("Low", 200, None, None)),
    "beta/öl",
    2,
    date(2024, 4, 1),
    1500,
    "user_and_product",
)
LOW_CAP = oracle.Card(oracle.DEFAULT_CARD.rates, None, 2, date(2024, 3, 1), 2500)
BACK_TO_LOW_CAP = oracle.Card((), "beta/öl", 3, date(2024, 5, 1), follows_default=True)
BEFORE_ALL = datetime(2024, 2, 1, tzinfo=UTC)  # when none of the months has begun
CARDS = [oracle.DEFAULT_CARD, SMALL_CAP, LOW_CAP, BACK_TO_LOW_CAP]
WINDOW = timedelta(days=60)

actions = st.sampled_from(MONTHS).flatmap(
    lambda month: st.fixed_dictionaries(
        {
            "action_type": st.sampled_from(["Form", " form", "Share", "Call"]),
            "timestamp": instants(month),
            "engagement_level": st.sampled_from(["High", "High", "medium", "LOW"]),
        }
    )
)
card_terms = st.fixed_dictionaries(
    {
        "rates": st.sampled_from(
            [
                oracle.DEFAULT_CARD.rates,
                (*SMALL_CAP.rates, oracle.Rate("High", 2501, None, "Referral")),
                (*SMALL_CAP.rates, oracle.Rate("High", 0, "def"), oracle.Rate("Low", 1, "abc")),
            ]
        ),
        "cap_cents": st.sampled_from([0, 1500, 10_000]),
        "cap_scope": st.sampled_from(["user", "user_and_product"]),
        "duplicates_charged_for": st.sampled_from([(), ("Referral",)]),
    }
)
contents = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(list(ZONES)),
        "product_id": st.sampled_from(["abc", "abc", "def"]),
        "lead_type": st.sampled_from(["Website Visit", "Referral"]),
        "created_at": instants(MONTHS[0]),
        "actions": st.lists(actions, max_size=5),
        "user": st.sampled_from([{"email": "ann@people.test"}, {"phone": "+15550100"}]),
    }
)


class Settlement(RuleBasedStateMachine):
    """Posts, repeats, late arrivals, voids, closes, card changes and disputes, beside a ledger in
    plain Python."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._own = connection.engine.connect()
        self._transaction = self._own.begin()
        self._session = Session(self._own)
        self.world = World(self._own, ZONES, CARDS)
        self.ledger = Ledger(ZONES, CARDS)
        self.leads: dict[str, Wire] = {}
        self.kept: dict[tuple[str, date], bytes] = {}
        self.disputes: list[UUID] = []
        self.now = datetime.now(UTC)
        (self.run_id,) = self._own.execute(
            insert(BillingRun)
            .values(period=MONTHS[0], actor="a model")
            .returning(BillingRun.run_id)
        ).one()

    def teardown(self) -> None:
        try:
            self._require_list()
            assert reconcile(self._session, None).is_reconciled
        finally:
            self._transaction.rollback()
            self._own.close()

    @initialize(batch=st.lists(contents, min_size=1, max_size=4), is_settled=st.booleans())
    def begin(self, batch: list[Wire], is_settled: bool) -> None:
        """Half of the runs begin with a month that is closed."""
        if is_settled:
            self.post(batch)
            for name in ZONES:
                self._close_first_open_month(name)

    @rule(batch=st.lists(contents, min_size=1, max_size=4))
    def post(self, batch: list[Wire]) -> None:
        for content in batch:
            lead = {"lead_id": f"lead-{len(self.leads)}"} | content
            self.leads[lead["lead_id"]] = lead
        self._send(list(self.leads.values())[-len(batch) :])

    @precondition(lambda self: self.leads)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        lead = data.draw(st.sampled_from(list(self.leads.values())))
        self._send([lead | {"actions": data.draw(st.permutations(lead["actions"]))}])

    @precondition(lambda self: self.leads)
    @rule(data=st.data(), more=st.lists(actions, min_size=1, max_size=3))
    def add_to_a_lead(self, data: st.DataObject, more: list[Wire]) -> None:
        lead = data.draw(st.sampled_from(list(self.leads.values())))
        self.leads[lead["lead_id"]] = lead | {"actions": lead["actions"] + more}
        self._send([self.leads[lead["lead_id"]]])

    @rule(name=st.sampled_from(list(ZONES)), month=st.sampled_from(MONTHS))
    def close(self, name: str, month: date) -> None:
        self._close(name, month)

    @precondition(lambda self: self.leads)
    @rule(name=st.sampled_from(list(ZONES)))
    def close_the_first_open_month(self, name: str) -> None:
        self._close_first_open_month(name)

    def _close_first_open_month(self, name: str) -> None:
        through = self.ledger.closed_through.get(name, date.min)
        for month in sorted(self.ledger.months(name)):
            if through < month <= MONTHS[-1]:
                self._close(name, month)
                break

    @rule(
        owner=st.sampled_from([None, *ZONES]),
        month=st.sampled_from([MONTHS[0], MONTHS[1], MONTHS[1], MONTHS[2], MONTHS[2]]),
        terms=card_terms,
        follows=st.sampled_from([False] * 4 + [True]),
    )
    def change_card(self, owner: str | None, month: date, terms: Wire, follows: bool) -> None:
        version = self.ledger.newest_version(owner) + 1
        card = oracle.Card(customer_id=owner, version=version, valid_from=month, **terms)
        if follows and owner is not None:
            card = oracle.Card((), owner, version, month, follows_default=True)
        answer = "refused"
        with suppress(Conflict):
            stored = add_rate_card(self._session, _as_new_card(card), BEFORE_ALL)
            assert stored.version == version
            answer = "added"
        assert answer == self.ledger.change_card(card)

    @precondition(lambda self: self.leads)
    @rule(data=st.data(), is_whole=st.booleans())
    def void(self, data: st.DataObject, is_whole: bool) -> None:
        lead = data.draw(st.sampled_from(list(self.leads.values())))
        known = {key: act for key, (act, _) in self._actions().items() if key[1] == lead["lead_id"]}
        named = None if is_whole or not known else data.draw(st.sampled_from(sorted(known)))
        asked = NewVoid(
            action_ids=None if named is None else [UUID(named[0])], reason="sent by mistake"
        )
        answer = "refused"
        with suppress(Conflict):
            void_actions(self._session, lead["lead_id"], asked)
            answer = "voided"
        action = None if named is None else known[named]
        assert answer == self.ledger.void(lead["customer_id"], lead["lead_id"], action)

    @precondition(lambda self: self.leads)
    @rule(
        data=st.data(),
        is_whole=st.booleans(),
        is_late=st.sampled_from([False] * 5 + [True]),
        at_once=st.booleans(),
    )
    def dispute(self, data: st.DataObject, is_whole: bool, is_late: bool, at_once: bool) -> None:
        lead = data.draw(st.sampled_from(list(self.leads.values())))
        known = {key: act for key, (act, _) in self._actions().items() if key[1] == lead["lead_id"]}
        named = None if is_whole or not known else data.draw(st.sampled_from(sorted(known)))
        dispute = NewDispute(
            lead_id=lead["lead_id"],
            action_id=None if named is None else UUID(named[0]),
            reason="spam",
        )
        moment = self._tick() + (WINDOW if is_late else timedelta(0))
        answer = "refused"
        with suppress(Conflict):
            found = open_dispute(self._session, dispute, moment)
            self.disputes.append(found.dispute.dispute_id)
            answer = "open"
        action = None if named is None else known[named]
        expected = self.ledger.dispute(lead["customer_id"], lead["lead_id"], action, is_late)
        assert answer == expected
        if answer == "open" and at_once:
            self._decide(len(self.disputes) - 1, DisputeStatus.ACCEPTED)

    @precondition(lambda self: self.disputes)
    @rule(
        data=st.data(),
        status=st.sampled_from([DisputeStatus.ACCEPTED] * 2 + [DisputeStatus.REJECTED]),
    )
    def resolve(self, data: st.DataObject, status: Any) -> None:
        self._decide(data.draw(st.integers(0, len(self.disputes) - 1)), status)

    def _decide(self, number: int, status: Any) -> None:
        with suppress(Conflict):
            resolve_dispute(
                self._session, self.disputes[number], status, Resolution(), self._tick()
            )
        stands = get_dispute(self._session, self.disputes[number]).dispute.status
        assert stands == self.ledger.resolve(number, status.value)

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def _send(self, batch: list[Wire]) -> None:
        self.world.post(batch)
        self.ledger.post(batch)

    def _close(self, name: str, month: date) -> None:
        owner, answer = get_customer(self._session, name), "refused"
        with suppress(Conflict):
            closed = close_period(self._session, owner.customer_id, Period(month), self.run_id)
            answer = "already_closed" if closed is None else "closed"
        assert answer == self.ledger.close(name, month)
        if answer == "closed":
            self.kept[name, month] = _as_json(self._report(name, month))
            stored = find_month(self._session, name, Period(month)).final
            assert stored is not None
            assert verify_report(self._session, stored).is_verified

    def _report(self, name: str, month: date) -> Report:
        found = find_month(self._session, name, Period(month))
        read = draft_report if found.final is None else final_report
        report, _ = read(self._session, found)
        report.lines = list(report.lines)
        return report

    @invariant()
    def everything_holds(self) -> None:
        known = self._actions()
        seen: Counter[str] = Counter()
        costs: Counter[tuple[Any, ...]] = Counter()
        billed: Counter[tuple[str, str]] = Counter()
        credited: Counter[tuple[str, str]] = Counter()
        for name in ZONES:
            for month in sorted(self.ledger.months(name)):
                report = self._report(name, month)
                if (name, month) in self.kept:
                    assert _as_json(report) == self.kept[name, month]
                assert _as_statement(report, known) == self.ledger.statement(name, month)
                assert report.due_cents == self.ledger.statement(name, month).due
                _require_sums(report)
                for line in [*report.lines, *report.prior_period]:
                    seen[line.action_id, line.lead_id] += 1  # type: ignore[index]
                    costs[self._capped(name, line, known)] += line.billed_cents
                for credit in report.credits:
                    credited[credit.action_id, credit.lead_id] -= credit.amount_cents
                for line in [*report.lines, *report.prior_period]:
                    billed[line.action_id, line.lead_id] += line.billed_cents
        assert seen == Counter(dict.fromkeys(known, 1))
        assert all(cents == billed[line] for line, cents in credited.items())  # never twice
        for (name, month, *_), cost in costs.items():
            assert cost <= oracle.card_in_force(self.ledger.cards, name, month).cap_cents

    def _require_list(self) -> None:
        """The list says what is due as the reports do, and lacks only what is empty."""
        dues = {
            (name, month): self.ledger.statement(name, month).due
            for name in ZONES
            for month in self.ledger.months(name)
        }
        listed = {
            (entry.customer, entry.period): entry.due_cents
            for entry in list_entries(self._session, EntryFilter())
        }
        assert listed == {place: dues[place] for place in listed}
        assert not any(due for place, due in dues.items() if place not in listed)

    def _capped(self, name: str, line: Line, known: "Known") -> tuple[Any, ...]:
        card = oracle.card_in_force(self.ledger.cards, name, line.period)
        _, user_key = known[line.action_id, line.lead_id]
        product = line.product_id if card.cap_scope == "user_and_product" else None
        return name, line.period, user_key, product

    def _actions(self) -> "Known":
        return {
            (action_id, lead): ((key, level, timestamp, occurrence), user_key)
            for action_id, lead, key, level, timestamp, occurrence, user_key in (
                self._own.exec_driver_sql(
                    "select action_id::text, external_id, action_key, engagement_level::text, "
                    "timestamp, occurrence, actions.user_key "
                    "from actions join leads using (lead_id)"
                )
            )
        }


Known = dict[tuple[str, str], tuple[oracle.Action, UUID]]


def _as_statement(report: Report, known: Known) -> Statement:
    prior = defaultdict(list)
    for line in report.prior_period:
        prior[line.period].append(_as_oracle(line, known))
    lines = [_as_oracle(line, known) for line in report.lines]
    credits = [
        (
            (credit.report_period, credit.lead_id, known[credit.action_id, credit.lead_id][0]),
            -credit.amount_cents,
        )
        for credit in report.credits
    ]
    return Statement(report.status.value, lines, dict(prior), credits)


def _as_oracle(line: Line, known: Known) -> oracle.Line:
    repeated = None
    if line.duplicate_of_action_id is not None and line.duplicate_of_lead_id is not None:
        action, _ = known[line.duplicate_of_action_id, line.duplicate_of_lead_id]
        assert line.duplicate_of_timestamp == action[2]
        repeated = (line.duplicate_of_lead_id, action)
    return oracle.Line(
        line.lead_id,
        line.product_id,
        line.lead_type,
        known[line.action_id, line.lead_id][0],
        line.gross_cents,
        line.billed_cents,
        line.duplicate_cents,
        line.cap_cents,
        line.cap_used_before_cents,
        line.outcome.value,
        repeated,
        line.rate,
    )


def _as_new_card(card: oracle.Card) -> NewCard:
    members: Wire = {
        "name": "Changed",
        "customer_id": card.customer_id,
        "valid_from": f"{card.valid_from:%Y-%m}",
        "follows_default": card.follows_default,
    }
    if not card.follows_default:
        members |= {
            "rates": [
                {
                    "engagement_level": rate.level,
                    "amount": amount(rate.cents),
                    "product_id": rate.product_id,
                    "lead_type": rate.lead_type,
                }
                for rate in card.rates
            ],
            "cap": {"amount": amount(card.cap_cents), "scope": card.cap_scope},
            "duplicates_charged_for": list(card.duplicates_charged_for),
        }
    return NewCard.model_validate(members)


def _as_json(report: Report) -> bytes:
    most = len(report.prior_period)
    return ReportAnswer.from_report(report, most).model_dump_json().encode()


def _require_sums(report: Report) -> None:
    def money(line: Line) -> tuple[int, ...]:
        return line.gross_cents, line.billed_cents, line.duplicate_cents, line.cap_cents

    for line in [*report.lines, *report.prior_period]:
        gross, *parts = money(line)
        assert gross == sum(parts)
        assert min(parts) >= 0
    columns: Iterator[tuple[int, ...]] = zip(*map(money, report.lines), strict=True)
    assert list(report.totals[:4]) == ([sum(column) for column in columns] or [0, 0, 0, 0])
    assert report.totals.actions == len(list(report.lines))
    for groups in report.parts[:4]:
        assert sum(group.totals.billed_cents for group in groups) == report.totals.billed_cents
        assert sum(group.totals.gross_cents for group in groups) == report.totals.gross_cents


@pytest.mark.hypothesis
def test_closing_adds_up_whatever_is_posted_closed_and_disputed_in_whatever_order(
    connection: Connection,
) -> None:
    run_state_machine_as_test(
        lambda: Settlement(connection),  # type: ignore[arg-type]  # any maker of one will do
        settings=settings(examples(10), stateful_step_count=16),
    )
