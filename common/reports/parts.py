"""The breakdowns of a report, built from its summary rows."""

from collections.abc import Callable

from common.rating.breakdowns import Part, SummaryRow
from common.rating.totals import Totals
from common.reports.model import Group, Parts


def parts_of(summary: list[SummaryRow]) -> Parts:
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


def whole_of(summary: list[SummaryRow]) -> tuple[Totals, int]:
    whole = next(row for row in summary if row.part is Part.WHOLE)
    return whole.totals, whole.leads_without_user


def _groups(
    summary: list[SummaryRow], part: Part, members: Callable[[SummaryRow], dict[str, str | None]]
) -> list[Group]:
    return [Group(members(row), row.totals) for row in summary if row.part is part]
