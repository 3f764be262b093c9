"""A customer's report of a period, put together from the decided actions.

Invariant: a draft is computed from what is stored and never stored itself; given a snapshot, its
totals, its parts and its lines are of one moment.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from common import deciding, identifiers
from common.billing import (
    CapScope,
    CardName,
    Credit,
    Group,
    Line,
    Parts,
    Period,
    Report,
    ReportStatus,
    Totals,
    notices_of,
)
from common.deciding import Entry, LineKey, Part, Scope, SummaryRow
from common.disputes.credits import final_credits, pending_cents, pending_credits
from common.final_reports.entries import final_entries
from common.final_reports.late_actions import all_late_periods, late_periods
from common.final_reports.store import (
    all_closed_through,
    closed_through,
    final_lines_of_lead,
    leads_of,
    own_lines,
    periods_of,
    prior_lines,
    summarise_final,
)
from common.models import BillingReport, Customer, RateCard
from common.problems import Unpriced


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries of the list of reports are wanted; what is None does not narrow.

    `start` and `end` choose lines inside the months: instants, or bare dates that mean midnight in
    the customer's zone; `end` is exclusive.
    """

    customer_id: UUID | None = None
    period: Period | None = None
    status: ReportStatus | None = None
    start: date | datetime | None = None
    end: date | datetime | None = None


def list_entries(connection: Connection, wanted: EntryFilter) -> list[Entry]:
    """One entry per customer and month, newest first. Raises Unpriced.

    Without a range, each says what is due, and an open month has one too that holds nothing but
    prior-period lines or credits.
    """
    finals = _final_reports(connection, wanted)
    through = all_closed_through(connection)
    entries: list[Entry] = []
    if wanted.status is not ReportStatus.FINAL:
        pairs = deciding.active_periods(
            connection,
            wanted.customer_id,
            wanted.start if wanted.period is None else wanted.period.start,
            wanted.end if wanted.period is None else wanted.period.end,
        )
        still_open = [
            (customer, period)
            for customer, period in pairs
            if customer not in through or period > through[customer]
        ]
        scope = Scope(still_open, start=wanted.start, end=wanted.end)
        drafts = deciding.draft_entries(connection, scope)
        is_whole = wanted.start is None and wanted.end is None
        entries += _with_dues(connection, wanted, through, drafts) if is_whole else drafts
    if wanted.status is not ReportStatus.DRAFT:
        if wanted.start is None and wanted.end is None:
            entries += [_final_entry(stored, customer) for stored, customer in finals]
        else:
            pairs = [(stored.customer_id, stored.period) for stored, _ in finals]
            scope = Scope(pairs, start=wanted.start, end=wanted.end)
            entries += final_entries(connection, scope)
    return sorted(entries, key=lambda entry: (-entry.period.toordinal(), entry.customer))


def _with_dues(
    connection: Connection, wanted: EntryFilter, through: dict[UUID, date], drafts: list[Entry]
) -> list[Entry]:
    """The drafts with what is due; and those that hold only what others carry over to them."""
    carried = _carried(connection, wanted, through)
    dues = [
        entry._replace(
            due_cents=entry.totals.billed_cents + carried.pop((entry.customer_id, entry.period), 0)
        )
        for entry in drafts
    ]
    without_lines = dict(carried.keys())
    found = select(Customer).where(Customer.customer_id.in_(without_lines))
    return dues + [
        Entry(
            customer.customer_id,
            customer.external_id,
            customer.name,
            customer.timezone,
            without_lines[customer.customer_id],
            ReportStatus.DRAFT,
            Totals(),
            carried[customer.customer_id, without_lines[customer.customer_id]],
        )
        for customer in Session(connection).scalars(found)
    ]


def _carried(
    connection: Connection, wanted: EntryFilter, through: dict[UUID, date]
) -> Counter[tuple[UUID, date]]:
    """What prior-period lines and credits come to on each first open month that has some."""
    late = [
        (customer, period)
        for customer, period in all_late_periods(connection, wanted.customer_id)
        if _is_wanted(wanted, Period(through[customer]).end)
    ]
    carried: Counter[tuple[UUID, date]] = Counter()
    for entry in deciding.draft_entries(connection, Scope(late)):
        first_open = Period(through[entry.customer_id]).end
        carried[entry.customer_id, first_open] += entry.totals.billed_cents
    for customer, cents in pending_cents(connection, wanted.customer_id).items():
        first_open = Period(through[customer]).end
        if _is_wanted(wanted, first_open):
            carried[customer, first_open] -= cents
    return carried


def _is_wanted(wanted: EntryFilter, month: date) -> bool:
    return wanted.period is None or wanted.period.start == month


def _final_reports(
    connection: Connection, wanted: EntryFilter
) -> list[tuple[BillingReport, Customer]]:
    query = select(BillingReport, Customer).join(
        Customer, Customer.customer_id == BillingReport.customer_id
    )
    if wanted.customer_id is not None:
        query = query.where(BillingReport.customer_id == wanted.customer_id)
    if wanted.period is not None:
        query = query.where(BillingReport.period == wanted.period.start)
    return [(stored, customer) for stored, customer in Session(connection).execute(query)]


def _final_entry(stored: BillingReport, customer: Customer) -> Entry:
    return Entry(
        stored.customer_id,
        customer.external_id,
        stored.customer_name,
        stored.timezone,
        stored.period,
        ReportStatus.FINAL,
        Totals(
            stored.gross_cents,
            stored.billed_cents,
            stored.duplicate_cents,
            stored.cap_cents,
            stored.lead_count,
            stored.action_count,
        ),
        stored.due_cents,
    )


def final_report_of(
    connection: Connection, customer: Customer, period: Period
) -> BillingReport | None:
    """The stored report of a customer's month, where it has one."""
    query = select(BillingReport).where(
        BillingReport.customer_id == customer.customer_id, BillingReport.period == period.start
    )
    return Session(connection).scalars(query).first()


def final_report(
    connection: Connection,
    customer: Customer,
    stored: BillingReport,
    *,
    after: int = 0,
    most: int | None = None,
) -> tuple[Report, int | None]:
    """A report as it was closed, and the number of the line its next page comes behind.

    Pages as `draft_report` does.
    """
    period = Period(stored.period)
    summary = summarise_final(connection, stored.report_id)
    totals, without_user = _whole(summary)
    leads = leads_of(summary)
    # Numbers have no gaps.
    last = stored.action_count if most is None else min(after + most, stored.action_count)
    card = Session(connection).get_one(RateCard, stored.rate_card_id)
    lines = _under_cap(
        own_lines(connection, stored.report_id, leads, after=after, last=last),
        card.cap_scope is CapScope.USER_AND_PRODUCT,
    )
    if most is not None:
        lines = list(lines)
    next_page = last if last < stored.action_count else None
    prior: list[Line] = []
    if stored.prior_action_count:
        prior = list(prior_lines(connection, stored.report_id, stored.action_count))
    prior_cards = _cards_of_lines(connection, stored.customer_id, prior)
    named = [
        row._replace(product_name=stored.product_names.get(row.product_id or "")) for row in summary
    ]
    return (
        Report(
            report_id=str(stored.report_id),
            customer_id=customer.external_id,
            customer_name=stored.customer_name,
            period=period,
            timezone=stored.timezone,
            status=ReportStatus.FINAL,
            rate_card_name=card.name,
            rate_card_version=card.version,
            totals=totals,
            parts=_parts(named),
            lines=lines,
            notices=notices_of(totals, without_user),
            generated_at=stored.finalized_at,
            finalized_at=stored.finalized_at,
            content_hash=stored.content_hash,
            previous_hash=stored.previous_hash,
            canonical_form=stored.canonical_form,
            prior_period=_under_cards(prior, prior_cards),
            prior_cards=prior_cards,
            credits=final_credits(connection, stored.report_id),
        ),
        next_page,
    )


def closing_report_of(
    connection: Connection, customer: Customer, period: Period
) -> BillingReport | None:
    """The first final report behind a month: it closed that month along, if it has none itself."""
    query = (
        select(BillingReport)
        .where(
            BillingReport.customer_id == customer.customer_id, BillingReport.period > period.start
        )
        .order_by(BillingReport.period)
        .limit(1)
    )
    return Session(connection).scalars(query).first()


def closed_along(
    connection: Connection, customer: Customer, period: Period, closing: BillingReport
) -> Report:
    """The report of a month that was closed without actions, along with a later one.

    It is empty for ever: what arrives for it is billed as a prior period.
    """
    card = deciding.rate_card_in_force(connection, customer.customer_id, period.start)
    if card is None:
        raise Unpriced(f"no rate card is in force in {period}")
    return Report(
        report_id=str(identifiers.report_id(customer.customer_id, str(period))),
        customer_id=customer.external_id,
        customer_name=closing.customer_name,
        period=period,
        timezone=closing.timezone,
        status=ReportStatus.FINAL,
        rate_card_name=card.name,
        rate_card_version=card.version,
        totals=Totals(),
        parts=_parts([]),
        lines=[],
        notices=[],
        generated_at=closing.finalized_at,
        finalized_at=closing.finalized_at,
    )


def draft_report(
    connection: Connection,
    customer: Customer,
    period: Period,
    *,
    after: LineKey | None = None,
    most: int | None = None,
) -> tuple[Report, LineKey | None]:
    """The report of an open period, and where its next page of lines begins.

    With `most`, the report holds at most that many lines, from behind `after` on. Without, its
    lines are a stream that is read once and needs the connection until it ends.

    Raises Unpriced when an action has no price on the rate card in force.
    """
    scope = Scope([(customer.customer_id, period.start)])
    card = deciding.rate_card_in_force(connection, customer.customer_id, period.start)
    if card is None:
        raise Unpriced(f"no rate card is in force in {period}")
    summary = deciding.summarise(connection, scope)
    totals, without_user = _whole(summary)
    lines: Iterable[Line]
    next_page = None
    if most is None:
        found = (line for line, _ in deciding.lines(connection, scope))
        lines = _under_cap(found, card.caps_product)
    else:
        page = list(deciding.lines(connection, scope, after=after, most=most + 1))
        lines = list(_under_cap((line for line, _ in page[:most]), card.caps_product))
        next_page = page[most - 1][1] if len(page) > most else None
    prior = late_lines(connection, customer, period)
    prior_cards = _cards_of_lines(connection, customer.customer_id, prior)
    return (
        Report(
            report_id=str(identifiers.report_id(customer.customer_id, str(period))),
            customer_id=customer.external_id,
            customer_name=customer.name,
            period=period,
            timezone=customer.timezone,
            status=ReportStatus.DRAFT,
            rate_card_name=card.name,
            rate_card_version=card.version,
            totals=totals,
            parts=_parts(summary),
            lines=lines,
            notices=notices_of(totals, without_user),
            generated_at=datetime.now(UTC),
            prior_period=_under_cards(prior, prior_cards),
            prior_cards=prior_cards,
            credits=credits_of_draft(connection, customer, period),
        ),
        next_page,
    )


def late_lines(connection: Connection, customer: Customer, period: Period) -> list[Line]:
    """The prior-period lines that stand on an open month: those of the first one (rules.md)."""
    through = closed_through(connection, customer.customer_id)
    if through is None or Period(through).end != period.start:
        return []
    late = late_periods(connection, customer.customer_id)
    scope = Scope([(customer.customer_id, each) for each in late])
    return [line for line, _ in deciding.lines(connection, scope)]


def credits_of_draft(connection: Connection, customer: Customer, period: Period) -> list[Credit]:
    """The credits that stand on an open month: those of the first one, as prior-period lines."""
    through = closed_through(connection, customer.customer_id)
    if through is None or Period(through).end != period.start:
        return []
    return pending_credits(connection, customer.customer_id)


class DecidedLine(NamedTuple):
    """A line, the report it stands on, and the card of its own month, which priced it."""

    line: Line
    report_period: date
    status: ReportStatus
    card: CardName


def lead_lines(
    connection: Connection, customer: Customer, user_key: UUID, lead_id: UUID
) -> list[DecidedLine]:
    """What was decided about each action of a lead, in the order they happened."""
    periods = deciding.lead_periods(connection, lead_id)
    final_lines = list(final_lines_of_lead(connection, customer.customer_id, lead_id, periods))
    cards = _cards_of(connection, customer.customer_id, periods)
    months = periods_of(connection, {each.report_id for each in final_lines})
    final = [(each.line, months[each.report_id], ReportStatus.FINAL) for each in final_lines]
    through = closed_through(connection, customer.customer_id)
    late = late_periods(connection, customer.customer_id)
    # A closed month has nothing to decide but what came late.
    undecided = [each for each in periods if through is None or each > through or each in late]
    scope = Scope([(customer.customer_id, each) for each in undecided], user_key=user_key)
    first_open = None if through is None else Period(through).end
    draft = [
        (line, max(line.period, first_open or line.period), ReportStatus.DRAFT)
        for line, _ in deciding.lines(connection, scope, lead_id=lead_id)
    ]
    return [
        DecidedLine(
            line._replace(caps_product=cards[line.period].caps_product),
            report_period,
            status,
            cards[line.period],
        )
        for line, report_period, status in sorted(
            [*final, *draft], key=lambda decided: decided[0].timestamp
        )
    ]


def _cards_of(
    connection: Connection, customer_id: UUID, periods: Iterable[date]
) -> dict[date, CardName]:
    """The card that priced each month, for ever: none is added for a month that has begun."""
    found = {}
    for period in set(periods):
        card = deciding.rate_card_in_force(connection, customer_id, period)
        if card is None:
            raise Unpriced(f"no rate card is in force in {Period(period)}")
        found[period] = CardName(card.name, card.version, card.caps_product)
    return found


def _cards_of_lines(
    connection: Connection, customer_id: UUID, lines: list[Line]
) -> dict[date, CardName]:
    return _cards_of(connection, customer_id, (line.period for line in lines))


def _under_cap(lines: Iterable[Line], caps_product: bool) -> Iterable[Line]:
    """Lines of a month, with which kind of cap its card has."""
    return (line._replace(caps_product=True) for line in lines) if caps_product else lines


def _under_cards(lines: Iterable[Line], cards: Mapping[date, CardName]) -> list[Line]:
    """Lines of several months, with which kind of cap the card of each has."""
    return [line._replace(caps_product=cards[line.period].caps_product) for line in lines]


def _parts(summary: list[SummaryRow]) -> Parts:
    return Parts(
        by_product=_groups(
            summary, Part.PRODUCT, lambda r: {"product_id": r.product_id, "name": r.product_name}
        ),
        by_lead_type=_groups(summary, Part.LEAD_TYPE, lambda r: {"lead_type": r.lead_type}),
        by_user=_groups(summary, Part.USER, lambda r: {"user": r.user, "user_key": r.user_key}),
        by_lead=_groups(
            summary,
            Part.LEAD,
            lambda r: {
                "lead_id": r.lead_id,
                "product_id": r.product_id,
                "lead_type": r.lead_type,
                "user": r.user,
            },
        ),
    )


def _whole(summary: list[SummaryRow]) -> tuple[Totals, int]:
    whole = next(row for row in summary if row.part is Part.WHOLE)
    return whole.totals, whole.leads_without_user


def _groups(
    summary: list[SummaryRow], part: Part, members: Callable[[SummaryRow], dict[str, str | None]]
) -> list[Group]:
    return [Group(members(row), row.totals) for row in summary if row.part is part]
