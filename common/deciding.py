"""Deciding: which months there are to decide, on which card, and what the deciding statement gives.

Invariant: every amount comes from sql/decide_actions.sql; part of a month is chosen behind it.
Nothing here writes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum, auto
from importlib.resources import files
from operator import add
from textwrap import indent
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from common.enums import EngagementLevel, ReportStatus
from common.problems import Unpriced
from common.rating.line import Line
from common.rating.totals import Totals


def _deciding(priced: str, **pieces: str) -> str:
    folder = files("common").joinpath("sql")
    statement = folder.joinpath("decide_actions.sql").read_text()
    prices = folder.joinpath(f"{priced}.sql").read_text().strip()
    pieces["priced"] = indent(prices, " " * 12).strip()
    for placeholder, piece in pieces.items():
        statement = statement.replace(f"{{{placeholder}}}", piece)
    return statement


DECIDED = _deciding(
    "price_actions",
    numbering="count(*) filter (where standing = 2)",
    place="standing, number",
    # Where the card charges duplicates, each action stands by itself.
    apart=", case when scope.charges_duplicates and lead_type = any(scope.duplicates_charged_for) "
    "then action_id end",
    capped_apart=", case when scope.caps_each_product then product_id end",
    charged_before="when standing < 2 then final_cents",
    to_decide="standing = 2",
    shown="timestamp >= shown_from and timestamp < shown_to",
)
# The same for whole open months on plain cards, in a quarter less time.
DECIDED_PLAINLY = _deciding(
    "price_plainly",
    numbering="row_number()",
    place="number",
    apart="",
    capped_apart="",
    charged_before="",
    to_decide="true",
    shown="true",
)
LINES_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Scope:
    """Which customers' months are decided, whose actions, and which part of them is shown.

    `start` and `end` are instants, or bare dates that mean midnight in each customer's zone;
    `start` is inclusive, `end` exclusive. `as_of`: the month of a final report, to decide again
    what it decided. `as_if_open`: closed months are decided whole, as if they never had been
    closed. `proposed_card`: a card that prices all of them in place of the ones in force, as
    common/rate_cards.py writes it.
    """

    pairs: Sequence[tuple[UUID, date]]
    user_key: UUID | None = None
    start: date | datetime | None = None
    end: date | datetime | None = None
    as_of: date | None = None
    as_if_open: bool = False
    proposed_card: str | None = None

    TYPES: ClassVar[dict[str, str]] = {
        "customer_ids": "uuid[]",
        "periods": "date[]",
        "user_key": "uuid",
        "as_of": "date",
        "as_if_open": "boolean",
        "proposed_card": "jsonb",
        "from_instant": "timestamptz",
        "from_date": "date",
        "to_instant": "timestamptz",
        "to_date": "date",
    }

    def parameters(self) -> dict[str, Any]:
        return {
            "customer_ids": [str(customer) for customer, _ in self.pairs],
            "periods": [period for _, period in self.pairs],
            "user_key": self.user_key and str(self.user_key),
            "as_of": self.as_of,
            "as_if_open": self.as_if_open,
            "proposed_card": self.proposed_card,
        } | range_parameters(self.start, self.end)


def range_parameters(start: date | datetime | None, end: date | datetime | None) -> dict[str, Any]:
    """The four parameters by which a statement takes a range of instants or bare dates."""
    return {
        "from_instant": start if isinstance(start, datetime) else None,
        "from_date": None if isinstance(start, datetime) else start,
        "to_instant": end if isinstance(end, datetime) else None,
        "to_date": None if isinstance(end, datetime) else end,
    }


class Part(IntEnum):
    """Which part of a report a summary row is."""

    WHOLE = auto()
    PRODUCT = auto()
    LEAD_TYPE = auto()
    USER = auto()
    LEAD = auto()


class SummaryRow(NamedTuple):
    """The totals of a part of a report; the columns that do not name it are null."""

    part: Part
    product_id: str | None
    product_name: str | None
    lead_type: str | None
    user_key: str | None
    user: str | None
    lead_id: str | None
    leads_without_user: int
    totals: Totals
    lead_key: str | None = None  # the lead's UUID; `lead_id` is the id its sender gave it


SUMS = """
    coalesce(sum(gross_cents), 0)::bigint as gross_cents,
    coalesce(sum(billed_cents), 0)::bigint as billed_cents,
    coalesce(sum(duplicate_cents), 0)::bigint as duplicate_cents,
    coalesce(sum(cap_cents), 0)::bigint as cap_cents"""


_SELECTED_BY_LEAD = f"""
per_lead as (
    select
        lead_id, product_id, lead_type, user_key, {SUMS}, count(*) as actions,
        count(*) filter (where gross_cents is null) as unpriced
    from selected
    group by lead_id, product_id, lead_type, user_key
),

named as (
    select
        per_lead.*, leads.external_id as lead, leads.names_user,
        coalesce(leads.user_email, leads.user_phone, leads.user_external_id) as user_name
    from per_lead
    join leads using (lead_id)
)"""


def summary_of(named: str) -> TextClause:
    """The statement that gives `named`, the leads of a report with what each comes to."""
    return text(
        f"""
with {named}

select
    products.external_id, products.name, lead_type, user_key::text, user_name, lead, lead_id::text,
    names_user, gross_cents, billed_cents, duplicate_cents, cap_cents, actions, unpriced
from named
join products using (product_id)
"""
    )


_SUMMARY = summary_of(f"{DECIDED},\n{_SELECTED_BY_LEAD}")


def summarise(connection: Connection, scope: Scope) -> list[SummaryRow]:
    """The totals of what `scope` shows, as a whole and by product, lead type, user and lead.

    Raises Unpriced when an action has no price on its rate card.
    """
    return summary_rows(connection.execute(_SUMMARY, scope.parameters()))


class _SummedLead(NamedTuple):
    """What a lead of a report comes to."""

    product_id: str
    product_name: str
    lead_type: str
    user_key: str
    user: str | None
    lead_id: str
    lead_key: str
    names_user: bool
    gross_cents: int
    billed_cents: int
    duplicate_cents: int
    cap_cents: int
    actions: int
    unpriced: int

    @property
    def addend(self) -> tuple[int, ...]:
        """The amounts, the leads, the actions, the leads without a user."""
        return (*self[8:12], 1, self.actions, int(not self.names_user))

    def row(self) -> SummaryRow:
        *totals, without_user = self.addend
        named = (self.product_id, self.product_name, self.lead_type, self.user_key, self.user)
        return SummaryRow(
            Part.LEAD, *named, self.lead_id, without_user, Totals(*totals), self.lead_key
        )


def summary_rows(found: Iterable[Sequence[Any]]) -> list[SummaryRow]:
    """Each lead of a report, and what they come to in every part of it; the largest first."""
    nothing = [0] * 7
    sums: dict[tuple[Part, str | None], list[int]] = {(Part.WHOLE, None): nothing}
    product_names: dict[str | None, str] = {}
    user_names: dict[str | None, str] = {}
    rows, unpriced = [], 0
    for row in found:
        lead = _SummedLead(*row)
        unpriced += lead.unpriced
        product_names[lead.product_id] = lead.product_name
        if lead.user is not None:
            user_names[lead.user_key] = max(lead.user, user_names.get(lead.user_key, lead.user))
        addend = lead.addend
        for part in (
            (Part.WHOLE, None),
            (Part.PRODUCT, lead.product_id),
            (Part.LEAD_TYPE, lead.lead_type),
            (Part.USER, lead.user_key),
        ):
            sums[part] = list(map(add, sums.get(part, nothing), addend))
        rows.append(lead.row())
    _require_prices(unpriced)
    for (kind, name), (*amounts, leads_without_user) in sums.items():
        rows.append(
            SummaryRow(
                kind,
                product_id=name if kind is Part.PRODUCT else None,
                product_name=product_names[name] if kind is Part.PRODUCT else None,
                lead_type=name if kind is Part.LEAD_TYPE else None,
                user_key=name if kind is Part.USER else None,
                user=user_names.get(name) if kind is Part.USER else None,
                lead_id=None,
                leads_without_user=leads_without_user,
                totals=Totals(*amounts),
            )
        )
    return sorted(rows, key=_place)


def _place(row: SummaryRow) -> tuple[Any, ...]:
    """Not by the user's name: erasing it must not move anything."""
    names = (row.product_id, row.lead_type, row.user_key, row.lead_id)
    return (-row.totals.gross_cents, *((name is None, name or "") for name in names))


def totals_of(row: Any) -> Totals:
    """The sums of a row of leads and actions."""
    return Totals(
        row.gross_cents,
        row.billed_cents,
        row.duplicate_cents,
        row.cap_cents,
        row.leads,
        row.actions,
    )


def _require_prices(unpriced: int) -> None:
    if unpriced:
        raise Unpriced(
            f"{unpriced} actions have no price on the rate card in force; "
            "no report is made until they have"
        )


_LINE_ORDER = "timestamp, lead_created_at, lead_id, action_key, engagement_level, occurrence"

# The members of a Line in their order, then what places it among the others.
LINE_SOURCE = """
select
    selected.period, selected.action_id::text, leads.external_id as lead,
    products.external_id as product, selected.lead_type,
    coalesce(leads.user_email, leads.user_phone, leads.user_external_id) as user_name,
    selected.user_key::text, selected.action_type, selected.engagement_level, selected.timestamp,
    selected.gross_cents, selected.billed_cents, selected.duplicate_cents, selected.cap_cents,
    selected.cap_limit_cents, selected.cap_used_before_cents,
    case when is_repeat then first_leads.external_id end as first_lead,
    case when is_repeat then first_action_id end::text as first_action_id,
    case when is_repeat then first_timestamp end as first_timestamp, selected.rate,
    leads.names_user,
    selected.lead_created_at, selected.lead_id, selected.action_key, selected.occurrence
from selected
join leads on leads.lead_id = selected.lead_id
join products on products.product_id = selected.product_id
left join leads as first_leads on is_repeat and first_leads.lead_id = selected.first_lead_id
"""

_LINES = text(
    f"""
with {DECIDED}
{LINE_SOURCE}
where (cast(:lead_id as uuid) is null or selected.lead_id = :lead_id)
    and (
        cast(:after_timestamp as timestamptz) is null
        or (
            selected.timestamp, selected.lead_created_at, selected.lead_id, selected.action_key,
            selected.engagement_level, selected.occurrence
        ) > (
            :after_timestamp, cast(:after_created as timestamptz), cast(:after_lead as uuid),
            cast(:after_key as text) collate "C", cast(:after_level as engagement_level),
            cast(:after_occurrence as int)
        )
    )
order by {", ".join(f"selected.{column}" for column in _LINE_ORDER.split(", "))}
limit :most
"""
)


class LineKey(NamedTuple):
    """Where a line stands in canonical order (rules.md, 5)."""

    timestamp: datetime
    lead_created_at: datetime
    lead_id: UUID
    action_key: str
    engagement_level: EngagementLevel
    occurrence: int


def lines(
    connection: Connection,
    scope: Scope,
    *,
    lead_id: UUID | None = None,
    after: LineKey | None = None,
    most: int | None = None,
) -> Iterator[tuple[Line, LineKey]]:
    """The lines that `scope` shows, in canonical order, as they arrive from the database."""
    rows = connection.execute(
        _LINES,
        scope.parameters()
        | {
            "lead_id": lead_id and str(lead_id),
            "after_timestamp": after and after.timestamp,
            "after_created": after and after.lead_created_at,
            "after_lead": after and str(after.lead_id),
            "after_key": after and after.action_key,
            "after_level": after and after.engagement_level.value,
            "after_occurrence": after and after.occurrence,
            "most": most,
        },
        execution_options={"stream_results": True, "yield_per": LINES_AT_ONCE},
    )
    for row in rows:
        *members, created, lead, key, occurrence = row
        line = Line(*members)
        yield (
            line,
            LineKey(
                line.timestamp,
                created,
                lead,
                key,
                EngagementLevel(line.engagement_level),
                occurrence,
            ),
        )


class Entry(NamedTuple):
    """One customer's period in the list of reports; what is due is of whole months only."""

    customer_id: UUID
    customer: str
    customer_name: str
    timezone: str
    period: date
    status: ReportStatus
    totals: Totals
    due_cents: int | None = None


# Summed up one customer's period at a time, as it is decided: a sort of all of them by lead would
# not fit into memory.
_ENTRIES = text(
    f"""
with {DECIDED}

select
    scope.customer_id, scope.customer, customers.name, customers.timezone, scope.period, entry.*
from scope
join customers using (customer_id)
cross join lateral (
    select
        {SUMS}, count(*) as leads, sum(actions)::bigint as actions,
        sum(unpriced)::bigint as unpriced
    from (
        select
            {SUMS}, count(*) as actions,
            count(*) filter (where gross_cents is null) as unpriced
        from selected
        where selected.customer_id = scope.customer_id and selected.period = scope.period
        group by lead_id
    ) as per_lead
) as entry
where entry.leads > 0
order by scope.period desc, scope.customer
"""
)


def draft_entries(connection: Connection, scope: Scope) -> list[Entry]:
    """The totals of every open month that `scope` shows a line of.

    Raises Unpriced when an action has no price on its rate card.
    """
    return entry_rows(connection, _ENTRIES, scope, ReportStatus.DRAFT)


def entry_rows(
    connection: Connection, query: TextClause, scope: Scope, status: ReportStatus
) -> list[Entry]:
    result = []
    for row in connection.execute(query, scope.parameters()):
        _require_prices(row.unpriced)
        result.append(
            Entry(
                row.customer_id,
                row.customer,
                row.name,
                row.timezone,
                row.period,
                status,
                totals_of(row),
            )
        )
    return result


_ACTIVE_PERIODS = text(
    """
with recursive bounded as (
    select
        customer_id, timezone,
        coalesce(
            cast(:from_instant as timestamptz),
            first_midnight(cast(:from_date as date), timezone),
            '-infinity'
        ) as starts_at,
        coalesce(
            cast(:to_instant as timestamptz),
            first_midnight(cast(:to_date as date), timezone),
            'infinity'
        ) as ends_at
    from customers
    where cast(:customer_id as uuid) is null or customer_id = :customer_id
),

-- From each month with actions straight to the next one, by the index.
active as (
    select bounded.*, month_of(first.timestamp, timezone) as month
    from bounded
    cross join lateral (
        select timestamp from actions
        where actions.customer_id = bounded.customer_id
            and timestamp >= bounded.starts_at and timestamp < bounded.ends_at
        order by timestamp limit 1
    ) as first
    union all
    select
        active.customer_id, active.timezone, active.starts_at, active.ends_at,
        month_of(next.timestamp, timezone)
    from active
    cross join lateral (
        select timestamp from actions
        where actions.customer_id = active.customer_id
            and timestamp >= first_midnight(
                (active.month + interval '1 month')::date, active.timezone
            )
            and timestamp < active.ends_at
        order by timestamp limit 1
    ) as next
)

select customer_id, month as period from active
"""
)


def active_periods(
    connection: Connection,
    customer_id: UUID | None,
    start: date | datetime | None,
    end: date | datetime | None,
) -> list[tuple[UUID, date]]:
    """The customers and months that have an action from `start` on and before `end`."""
    rows = connection.execute(
        _ACTIVE_PERIODS,
        {"customer_id": customer_id and str(customer_id)} | range_parameters(start, end),
    )
    return [(row.customer_id, row.period) for row in rows]


class RateCardInForce(NamedTuple):
    """The card that prices a customer's month."""

    rate_card_id: UUID
    name: str
    version: int
    is_default: bool
    caps_product: bool  # has a cap for each product of a user, not one for all of them
    is_plain: bool  # has prices by level alone, charges no duplicates, and caps a user as a whole


def rate_card_in_force(
    connection: Connection, customer_id: UUID, period: date
) -> RateCardInForce | None:
    """The customer's own card in force at the period's start, else the default one.

    An own card that follows the default one is as if there were none.
    """
    return rate_cards_in_force(connection, [customer_id], period).get(customer_id)


# Of each of :customer_ids, the members of a RateCardInForce behind its id.
CARDS_IN_FORCE = """
select
    wanted.customer_id, card.rate_card_id, card.name, card.version, card.is_default,
    card.cap_scope = 'user_and_product' as caps_product,
    card.cap_scope = 'user'
    and not exists (
        select from charged_duplicates where charged_duplicates.rate_card_id = card.rate_card_id
    )
    and not exists (
        select from rates
        where rates.rate_card_id = card.rate_card_id
            and (rates.lead_type is not null or rates.product_id is not null)
    ) as is_plain
from unnest(cast(:customer_ids as uuid[])) as wanted (customer_id)
cross join lateral (
    select rate_card_id, name, version, customer_id is null as is_default, cap_scope
    from (
        select distinct on (customer_id is null) *
        from rate_cards
        where (rate_cards.customer_id = wanted.customer_id or rate_cards.customer_id is null)
            and valid_from <= :period
        order by customer_id is null, valid_from desc, version desc
    ) as newest
    where not follows_default
    order by customer_id is null
    limit 1
) as card
"""
_CARDS_IN_FORCE = text(CARDS_IN_FORCE)


def rate_cards_in_force(
    connection: Connection, customer_ids: Iterable[UUID], period: date
) -> dict[UUID, RateCardInForce]:
    """The card that prices the month for each customer."""
    rows = connection.execute(
        _CARDS_IN_FORCE, {"customer_ids": [str(each) for each in customer_ids], "period": period}
    )
    return {customer_id: RateCardInForce(*card) for customer_id, *card in rows}


_LEAD_PERIODS = text(
    """
select distinct month_of(timestamp, timezone) as period
from actions
join customers using (customer_id)
where lead_id = :lead_id
order by period
"""
)


def lead_periods(connection: Connection, lead_id: UUID) -> list[date]:
    """The months that a lead's actions belong to."""
    return list(connection.scalars(_LEAD_PERIODS, {"lead_id": str(lead_id)}))
