"""Settlement as a state machine: whatever is posted and closed in whatever order, it adds up."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, insert

from common.billing import Line, Period, Report
from common.catalog import customer
from common.models import BillingRun
from common.problems import Conflict
from common.reports import draft_report, final_report, final_report_of
from common.settlement import close_period
from services.reports.render import as_json
from tests import oracle
from tests.integration.test_rules import World, instants
from tests.properties import examples
from tests.settlement_oracle import Ledger, Statement

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
CARDS = [oracle.DEFAULT_CARD, SMALL_CAP, LOW_CAP]

actions = st.sampled_from(MONTHS).flatmap(
    lambda month: st.fixed_dictionaries(
        {
            "action_type": st.sampled_from(["Form", " form", "Share", "Call"]),
            "timestamp": instants(month),
            "engagement_level": st.sampled_from(["High", "High", "medium", "LOW"]),
        }
    )
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
    """Posts, repeats, late arrivals and closes, beside a ledger in plain Python."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._own = connection.engine.connect()
        self._transaction = self._own.begin()
        self.world = World(self._own, ZONES, CARDS)
        self.ledger = Ledger(ZONES, CARDS)
        self.leads: dict[str, Wire] = {}
        self.kept: dict[tuple[str, date], bytes] = {}
        (self.run_id,) = self._own.execute(
            insert(BillingRun)
            .values(period=MONTHS[0], actor="a model")
            .returning(BillingRun.run_id)
        ).one()

    def teardown(self) -> None:
        self._transaction.rollback()
        self._own.close()

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
        through = self.ledger.closed_through.get(name, date.min)
        for month in sorted(self.ledger.months(name)):
            if through < month <= MONTHS[-1]:
                self._close(name, month)
                break

    def _send(self, batch: list[Wire]) -> None:
        self.world.post(batch)
        self.ledger.post(batch)

    def _close(self, name: str, month: date) -> None:
        owner, answer = customer(self._own, name), "refused"
        with suppress(Conflict):
            is_new = close_period(self._own, owner, Period(month), self.run_id)
            answer = "closed" if is_new else "already_closed"
        assert answer == self.ledger.close(name, month)
        if answer == "closed":
            self.kept[name, month] = b"".join(as_json.render(self._report(name, month)))

    def _report(self, name: str, month: date) -> Report:
        owner = customer(self._own, name)
        stored = final_report_of(self._own, owner, Period(month))
        if stored is not None:
            report, _ = final_report(self._own, owner, stored)
        else:
            report, _ = draft_report(self._own, owner, Period(month))
        report.lines = list(report.lines)
        return report

    @invariant()
    def everything_holds(self) -> None:
        known = self._actions()
        seen: Counter[str] = Counter()
        costs: Counter[tuple[Any, ...]] = Counter()
        for name in ZONES:
            for month in sorted(self.ledger.months(name)):
                report = self._report(name, month)
                if (name, month) in self.kept:
                    assert b"".join(as_json.render(report)) == self.kept[name, month]
                assert _as_statement(report, known) == self.ledger.statement(name, month)
                assert report.due_cents == self.ledger.statement(name, month).due
                _require_sums(report)
                for line in [*report.lines, *report.prior_period]:
                    seen[line.action_id, line.lead_id] += 1  # type: ignore[index]
                    costs[self._capped(name, line, known)] += line.billed_cents
        assert seen == Counter(dict.fromkeys(known, 1))
        for (name, month, *_), cost in costs.items():
            assert cost <= oracle.card_in_force(CARDS, name, month).cap_cents

    def _capped(self, name: str, line: Line, known: "Known") -> tuple[Any, ...]:
        card = oracle.card_in_force(CARDS, name, line.period)
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
    return Statement(report.status.value, lines, dict(prior))


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
    )


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
    for groups in report.parts:
        assert sum(group.totals.billed_cents for group in groups) == report.totals.billed_cents
        assert sum(group.totals.gross_cents for group in groups) == report.totals.gross_cents


def test_settlement_adds_up_whatever_is_posted_and_closed_in_whatever_order(
    connection: Connection,
) -> None:
    run_state_machine_as_test(
        lambda: Settlement(connection),  # type: ignore[arg-type]  # any maker of one will do
        settings=settings(examples(15), stateful_step_count=14),
    )
