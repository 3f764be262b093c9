"""What a case of the rules says: leads and cards in tables, and the bill that they must give.

A table has its columns in the first row. A row of leads is one action; rows that name the same lead
are one lead. A row of a bill is one line. Days are of 2024, at noon UTC unless the row says when,
and "-" is nothing.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from tests.support import oracle

Wire = dict[str, Any]
Row = dict[str, str]

SUMS = ("gross", "billed", "duplicate", "cap")
_LEAD = {
    "customer": "acme",
    "user": "Ann",
    "product": "abc",
    "type": "Website Visit",
    "created": "1 January",
    "action": "Form Submission",
    "level": "High",
    "day": "1 April",
}


class Billing(ABC):
    """Bills leads: the oracle does, and so does the product."""

    @abstractmethod
    def register(self, customer: str, timezone: str = "UTC") -> None:
        """Registers another customer than acme, or acme in another zone."""

    @abstractmethod
    def give_each_lead_without_user_its_own(self) -> None:
        """Sets MISSING_USER to per_lead."""

    @abstractmethod
    def add_card(self, card: oracle.Card, day: str | None = None) -> str:
        """Adds a version of a rate card: "added" or "refused".

        It is added on a day at noon UTC, or else before any of its months.
        """

    @abstractmethod
    def receive(self, leads: list[Wire]) -> list[str]:
        """The result of each lead."""

    @abstractmethod
    def replay(self) -> list[str]:
        """The result of each lead that was in quarantine, the first to come first."""

    @abstractmethod
    def close(self, month: str, customer: str = "acme") -> str:
        """Closes a month: "closed", "already_closed" or "refused"."""

    @abstractmethod
    def dispute(self, lead: str, action: str | None = None) -> str:
        """Disputes a whole lead or one of its actions: "open" or "refused"."""

    @abstractmethod
    def void(self, lead: str, action: str | None = None) -> str:
        """Voids a whole lead or one of its actions: "voided" or "refused"."""

    @abstractmethod
    def resolve(self, status: str) -> None:
        """Has the dispute that was opened last accepted or rejected."""

    @abstractmethod
    def bill(self, month: str, customer: str = "acme") -> "Bill":
        """A customer's month as it is billed now."""

    @abstractmethod
    def totals_between(self, since: str, until: str) -> Row:
        """The sums over acme's lines of some days of a month; `until` is no longer one of them."""

    def post(self, table: str) -> list[str]:
        """Sends the leads of a table; the result of each."""
        return self.receive(leads_of(table))

    def card(
        self,
        rates: str = "",
        customer: str | None = None,
        since: str = "April",
        cap: str = "100.00",
        added_on: str | None = None,
        **terms: Any,
    ) -> str:
        """Adds a card of the default card's rates and those of a table."""
        special = [
            oracle.Rate(row["level"], cents(row["rate"]), product, lead_type)
            for row in (rows_of(rates) if rates else [])
            for product, lead_type in [(_named(row, "product"), _named(row, "type"))]
        ]
        named = {(rate.level, rate.product_id, rate.lead_type) for rate in special}
        usual = [
            rate for rate in oracle.DEFAULT_CARD.rates if (rate.level, None, None) not in named
        ]
        priced = () if terms.get("follows_default") else (*usual, *special)
        card = oracle.Card(priced, customer, 0, month_of(since), cents(cap), **terms)
        return self.add_card(card, added_on)


@dataclass(frozen=True)
class Bill:
    """The lines of a customer's month in their order, and what is due."""

    lines: list[Row]
    late_lines: list[Row]
    credited: str
    due: str

    @property
    def totals(self) -> Row:
        return sums(self.lines)

    def of(self, leads: str) -> "Bill":
        """The bill with the lines of these leads alone."""
        return replace(self, lines=[line for line in self.lines if line["lead"] in leads.split()])

    def by_lead(self) -> "Bill":
        """The bill with its lines by their lead."""
        return replace(self, lines=sorted(self.lines, key=itemgetter("lead")))

    def shows(self, table: str) -> None:
        """Demands these lines, in this order."""
        _require(self.lines, table)

    def shows_late(self, table: str) -> None:
        """Demands these prior-period lines, in this order."""
        _require(self.late_lines, table)


def sums(lines: list[Row]) -> Row:
    return {name: dollars(sum(cents(line[name]) for line in lines)) for name in SUMS}


def _named(row: Row, column: str) -> str | None:
    return None if row.get(column, "-") == "-" else row[column]


def _require(lines: list[Row], table: str) -> None:
    expected = rows_of(table)
    columns = expected[0]
    for row in expected:
        if "action" in row:
            row["action"] = oracle.fold(row["action"])
    assert [{name: line[name] for name in columns} for line in lines] == expected
    for line in lines:  # rule 6
        gross, *parts = (cents(line[name]) for name in SUMS)
        assert gross == sum(parts)


def rows_of(table: str) -> list[Row]:
    """The rows of a table by the columns of its first."""
    columns, *rows = [
        [cell.strip() for cell in line.split("|")] for line in table.splitlines() if line.strip()
    ]
    return [dict(zip(columns, row, strict=True)) for row in rows]


def leads_of(table: str) -> list[Wire]:
    leads = []
    for _, grouped in groupby(rows_of(table), key=lambda row: (row.get("customer"), row["lead"])):
        rows = [_LEAD | row for row in grouped]
        first = rows[0]
        lead: Wire = {
            "lead_id": first["lead"],
            "customer_id": first["customer"],
            "product_id": first["product"],
            "lead_type": first["type"],
            "created_at": instant_of(first["created"]),
            "actions": [
                {
                    "action_type": row["action"],
                    "engagement_level": row["level"],
                    "timestamp": instant_of(row["day"]),
                }
                for row in rows
                if row["action"] != "-"
            ],
        }
        if first["user"] != "-":
            lead["user"] = _user_of(first["user"])
        leads.append(lead)
    return leads


def _user_of(cell: str) -> Wire:
    """`Ann`, or what is known of somebody: `phone +1555, external_id 7`."""
    if " " not in cell:
        return {"email": f"{cell.lower()}@people.example"}
    return dict(part.strip().split(" ", 1) for part in cell.split(","))


def instant_of(cell: str) -> str:
    """`1 April`, `1 April 09:30` or `1 April 09:30:15.5` as a timestamp, or one as it is."""
    if re.match(r"\d{4}-", cell):
        return cell
    day, month, time = (*cell.split(), "12:00:00")[:3]
    moment = datetime.strptime(f"{day} {month} 2024", "%d %B %Y")  # noqa: DTZ007
    return f"{moment:%Y-%m-%d}T{time if time.count(':') == 2 else time + ':00'}Z"


def day_of(cell: str) -> date:
    return date.fromisoformat(instant_of(cell)[:10])


def month_of(cell: str) -> date:
    """`April` of 2024, or a month as `2016-04`."""
    if re.match(r"\d{4}-", cell):
        return date.fromisoformat(f"{cell}-01")
    return datetime.strptime(f"{cell} 2024", "%B %Y").replace(tzinfo=UTC).date()


def cents(amount: str) -> int:
    return int(amount.replace(".", ""))


def dollars(amount: int) -> str:
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02d}"
