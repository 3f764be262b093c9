"""The totals of a report as a whole and by product, lead type, user and lead."""

from collections.abc import Iterable, Sequence
from enum import IntEnum, auto
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import Connection, TextClause, text

from common.database.sql_loader import load_statement
from common.rating.period_totals import require_prices
from common.rating.scope import Scope
from common.rating.totals import Totals


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


def summary_of(named: str) -> TextClause:
    """The statement that gives `named`, the leads of a report with what each comes to."""
    return text(
        f"""
with {named}

select
    products.external_id, products.name, lead_type, user_key::text, user_name, lead, lead_id::text,
    has_user, gross_cents, billed_cents, duplicate_cents, cap_cents, actions, unpriced
from named
join products using (product_id)
"""
    )


_LEAD_TOTALS = text(load_statement("rating", "lead_totals"))


def summarise(connection: Connection, scope: Scope) -> list[SummaryRow]:
    """The totals of what `scope` shows, as a whole and by product, lead type, user and lead.

    Raises Unpriced when an action has no price on its rate card.
    """
    return summary_rows(connection.execute(_LEAD_TOTALS, scope.parameters()))


class _SummedLead(NamedTuple):
    """What a lead of a report comes to."""

    product_id: str
    product_name: str
    lead_type: str
    user_key: str
    user: str | None
    lead_id: str
    lead_key: str
    has_user: bool
    gross_cents: int
    billed_cents: int
    duplicate_cents: int
    cap_cents: int
    actions: int
    unpriced: int

    @property
    def addend(self) -> tuple[int, ...]:
        """The amounts, the leads, the actions, the leads without a user."""
        return (*self[8:12], 1, self.actions, int(not self.has_user))

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
    require_prices(unpriced)
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
