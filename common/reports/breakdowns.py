"""The breakdowns of a report: what its leads come to by product, lead type, user and lead."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from common.rating.totals import Totals, sum_of
from common.reports.model import Group, Parts


class LeadTotals(NamedTuple):
    """The totals of one lead of a report."""

    product_id: str
    product_name: str | None
    lead_type: str
    user_key: str
    user: str | None
    lead_id: str
    has_user: bool
    totals: Totals


class Breakdowns(NamedTuple):
    """The totals of a report, as a whole and in each part."""

    totals: Totals
    leads_without_user: int
    parts: Parts


def breakdowns_of(leads: list[LeadTotals]) -> Breakdowns:
    product_names = {lead.product_id: lead.product_name for lead in leads}
    user_names: dict[str, str] = {}
    for lead in leads:
        if lead.user is not None:
            user_names[lead.user_key] = max(lead.user, user_names.get(lead.user_key, ""))
    return Breakdowns(
        sum_of(lead.totals for lead in leads),
        sum(not lead.has_user for lead in leads),
        Parts(
            by_product=[
                Group({"product_id": product_id, "name": product_names[product_id]}, totals)
                for product_id, totals in _sums(leads, lambda lead: lead.product_id)
            ],
            by_lead_type=[
                Group({"lead_type": lead_type}, totals)
                for lead_type, totals in _sums(leads, lambda lead: lead.lead_type)
            ],
            by_user=[
                Group({"user": user_names.get(user_key), "user_key": user_key}, totals)
                for user_key, totals in _sums(leads, lambda lead: lead.user_key)
            ],
            by_lead=[
                Group(
                    {
                        "lead_id": lead.lead_id,
                        "product_id": lead.product_id,
                        "lead_type": lead.lead_type,
                        "user": lead.user,
                    },
                    lead.totals,
                )
                for lead in sorted(leads, key=_place)
            ],
        ),
    )


def _sums(
    leads: Iterable[LeadTotals], name_of: Callable[[LeadTotals], str]
) -> list[tuple[str, Totals]]:
    """The totals of each part by its name, the largest first."""
    sums: dict[str, Totals] = {}
    for lead in leads:
        name = name_of(lead)
        sums[name] = sums[name].plus(lead.totals) if name in sums else lead.totals
    return sorted(sums.items(), key=lambda part: (-part[1].gross_cents, part[0]))


def _place(lead: LeadTotals) -> tuple[Any, ...]:
    """Without the user's name: erasing the user must not move the lead."""
    ids = (lead.product_id, lead.lead_type, lead.user_key, lead.lead_id)
    return (-lead.totals.gross_cents, *ids)
