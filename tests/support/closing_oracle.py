"""Closing once more, in plain Python: closing is compared with it, as lines are with oracle.py.

Invariant: nothing here comes from the product's code. What is final is kept as it was rated and
never looked at again but to judge what comes late.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.support import oracle
from tests.support.oracle import Action, Card, Event, Line

EventKey = tuple[uuid.UUID, Action]
LineKey = tuple[date, str, Action]  # the month of its report, its lead and its action


@dataclass
class Statement:
    """A customer's report of a month: its own lines, and those of prior periods by month."""

    status: str
    lines: list[Line] = field(default_factory=list)
    prior: dict[date, list[Line]] = field(default_factory=dict)
    credits: list[tuple[LineKey, int]] = field(default_factory=list)

    @property
    def due(self) -> int:
        late = [line for lines in self.prior.values() for line in lines]
        billed = sum(line.billed for line in [*self.lines, *late])
        return billed - sum(cents for _, cents in self.credits)

    def every_line(self, month: date) -> list[tuple[date, Line]]:
        """Each line with the month it belongs to."""
        own = [(month, line) for line in self.lines]
        return own + [(late, line) for late in sorted(self.prior) for line in self.prior[late]]


@dataclass
class Dispute:
    """Lines of one lead that a customer disputed, each by the lead and the action."""

    customer: str
    lines: list[tuple[str, Action]]
    status: str = "open"


class Ledger:
    """Customers' statements, final and draft, as leads are posted and months are closed."""

    def __init__(
        self, zones: Mapping[str, str], cards: Iterable[Card], user_per_lead: bool = False
    ) -> None:
        self.leads: list[Mapping[str, Any]] = []
        self.final: dict[tuple[str, date], Statement] = {}
        self.closed_through: dict[str, date] = {}
        self.disputes: list[Dispute] = []
        self.voided: set[EventKey] = set()
        self._accepted: list[Dispute] = []  # in the order of acceptance
        self._zones = {name: ZoneInfo(zone) for name, zone in zones.items()}
        self.cards = list(cards)
        self._user_per_lead = user_per_lead

    def post(self, leads: Iterable[Mapping[str, Any]]) -> None:
        self.leads += leads

    def close(self, customer: str, month: date) -> str:
        """Closes a month that is over; says "closed", "already_closed" or "refused"."""
        through = self.closed_through.get(customer, date.min)
        if month <= through:
            return "already_closed"
        months = self._open_events(customer)
        if any(through < earlier < month for earlier in months):
            return "refused"
        lines, late = self._own_lines(customer, month), self._late_lines(customer)
        closed = Statement("final", lines, late)
        credits = self._of_final_lines(customer) + self._of_draft_lines(customer, month, closed)
        closed.credits = self._in_order(customer, credits)
        self.final[customer, month] = closed
        self.closed_through[customer] = month
        return "closed"

    def newest_version(self, owner: str | None) -> int:
        return max((card.version for card in self.cards if card.customer_id == owner), default=0)

    def change_card(self, card: Card, moment: datetime | None = None) -> str:
        """Adds a card's version; says "added", or "refused" where it would price a closed month.

        At a `moment` it is refused too where its month has begun, unless it is a customer's own and
        prices nothing that is billed already.
        """
        for customer, through in self.closed_through.items():
            if card.customer_id in {None, customer} and card.valid_from <= through:
                return "refused"
        if moment is not None and not self._is_timely(card, moment):
            return "refused"
        self.cards.append(card)
        return "added"

    def _is_timely(self, card: Card, moment: datetime) -> bool:
        owners = self._zones if card.customer_id is None else [card.customer_id]
        months = [oracle.billing_period_of(moment, self._zones[owner]) for owner in owners]
        if all(month < card.valid_from for month in months):
            return True
        if card.customer_id is None:
            return False
        later = [
            each.valid_from
            for each in self.cards
            if each.customer_id == card.customer_id and each.valid_from > card.valid_from
        ]
        until = min(later, default=date.max)
        return not any(
            card.valid_from <= month < until for month in self._open_events(card.customer_id)
        )

    def dispute(
        self, customer: str, lead_id: str, action: Action | None, is_late: bool = False
    ) -> str:
        """Disputes a lead's billed lines, or that of one action; says "open" or "refused".

        `is_late`: the windows of all final reports are over.
        """
        taken = self._disputed(customer)
        lines = [
            (line.lead_id, line.action)
            for month in sorted(self.months(customer))
            if not (is_late and (customer, month) in self.final)
            for _, line in self.statement(customer, month).every_line(month)
            if line.lead_id == lead_id
            and action in {None, line.action}
            and line.billed
            and (oracle.lead_uuid(customer, lead_id), line.action) not in taken
        ]
        if not lines:
            return "refused"
        self.disputes.append(Dispute(customer, lines))
        return "open"

    def void(self, customer: str, lead_id: str, action: Action | None) -> str:
        """Voids what a lead has of open months, or one action of it; "voided" or "refused"."""
        through = self.closed_through.get(customer, date.min)
        own = oracle.lead_uuid(customer, lead_id)
        wanted = {
            _key(event): oracle.billing_period_of(event.action[2], self._zones[customer])
            for event in oracle.events_of(self.leads, self._user_per_lead)
            if event.lead_uuid == own
            and action in {None, event.action}
            and _key(event) not in self.voided
        }
        disputed = self._disputed(customer)
        if any(month <= through or key in disputed for key, month in wanted.items()):
            return "refused"
        self.voided.update(wanted)
        return "voided"

    def _disputed(self, customer: str) -> set[EventKey]:
        return {
            (oracle.lead_uuid(customer, lead_id), action)
            for dispute in self.disputes
            if dispute.customer == customer and dispute.status != "rejected"
            for lead_id, action in dispute.lines
        }

    def resolve(self, number: int, status: str) -> str:
        """Accepts or rejects a dispute by its number; says what it is then."""
        dispute = self.disputes[number]
        if dispute.status == "open":
            dispute.status = status
            if status == "accepted":
                self._accepted.append(dispute)
        return dispute.status

    def _of_final_lines(self, customer: str) -> list[tuple[LineKey, int]]:
        """The credits of final lines that no final report has yet."""
        credited = {
            (lead_id, action)
            for (owner, _), statement in self.final.items()
            if owner == customer
            for (_, lead_id, action), _ in statement.credits
        }
        return [
            credit
            for (owner, month), statement in self.final.items()
            if owner == customer
            for credit in self._of_draft_lines(customer, month, statement)
            if credit[0][1:] not in credited
        ]

    def _of_draft_lines(
        self, customer: str, month: date, statement: Statement
    ) -> list[tuple[LineKey, int]]:
        """The credits of the lines of a statement: what each is billed there."""
        accepted = {
            line
            for dispute in self._accepted
            if dispute.customer == customer
            for line in dispute.lines
        }
        return [
            ((month, line.lead_id, line.action), line.billed)
            for _, line in statement.every_line(month)
            if line.billed and (line.lead_id, line.action) in accepted
        ]

    def _in_order(
        self, customer: str, credits: list[tuple[LineKey, int]]
    ) -> list[tuple[LineKey, int]]:
        """By when their disputes were accepted, then by report and line."""
        accepted = {
            line: number
            for number, dispute in enumerate(self._accepted)
            if dispute.customer == customer
            for line in dispute.lines
        }
        return sorted(credits, key=lambda credit: (accepted[credit[0][1:]], credit[0][0]))

    def statement(self, customer: str, month: date) -> Statement:
        """A customer's month as it reads now."""
        through = self.closed_through.get(customer)
        if through is not None and month <= through:
            return self.final.get((customer, month), Statement("final"))
        is_first_open = through is not None and month == oracle.next_month(through)
        late = self._late_lines(customer) if is_first_open else {}
        draft = Statement("draft", self._own_lines(customer, month), late)
        credits = self._of_final_lines(customer) if is_first_open else []
        credits += self._of_draft_lines(customer, month, draft)
        draft.credits = self._in_order(customer, credits)
        return draft

    def months(self, customer: str) -> set[date]:
        """The months a customer has something on: actions, a final report, or late lines."""
        events = self._open_events(customer)
        through = self.closed_through.get(customer)
        found = {month for owner, month in self.final if owner == customer}
        found |= {month for month in events if through is None or month > through}
        return found | ({oracle.next_month(through)} if through is not None else set())

    def _own_lines(self, customer: str, month: date) -> list[Line]:
        events = self._open_events(customer).get(month, [])
        return oracle.rate_actions(events, self._card(customer, month))

    def _late_lines(self, customer: str) -> dict[date, list[Line]]:
        """What came too late for its month's report, judged behind all that is final of it."""
        through = self.closed_through.get(customer, date.min)
        return {
            month: oracle.rate_actions(
                events, self._card(customer, month), self._behind(customer, month)
            )
            for month, events in self._open_events(customer).items()
            if month <= through
        }

    def _open_events(self, customer: str) -> dict[date, list[Event]]:
        """The actions that no final report has a line of, by their own month."""
        is_final = self._final_keys(customer)
        months = defaultdict(list)
        for event in oracle.events_of(self.leads, self._user_per_lead):
            if event.lead["customer_id"] != customer or _key(event) in is_final | self.voided:
                continue
            months[oracle.billing_period_of(event.action[2], self._zones[customer])].append(event)
        return dict(months)

    def _final_keys(self, customer: str) -> set[EventKey]:
        return {
            (oracle.lead_uuid(customer, line.lead_id), line.action)
            for (owner, month), statement in self.final.items()
            if owner == customer
            for _, line in statement.every_line(month)
        }

    def _behind(self, customer: str, month: date) -> list[tuple[Event, Line]]:
        events = {_key(event): event for event in oracle.events_of(self.leads, self._user_per_lead)}
        return [
            (events[oracle.lead_uuid(customer, line.lead_id), line.action], line)
            for (owner, report_month), statement in self.final.items()
            if owner == customer
            for own_month, line in statement.every_line(report_month)
            if own_month == month
        ]

    def _card(self, customer: str, month: date) -> Card:
        return oracle.card_in_force(self.cards, customer, month)


def _key(event: Event) -> EventKey:
    return event.lead_uuid, event.action
