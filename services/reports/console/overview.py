"""/: a month at a glance."""

from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from common.billing_period import Period
from common.rating.totals import Totals
from common.reports.dashboard import (
    Overview,
    PendingWork,
    Share,
    active_months,
    overview,
    pending_work,
)
from services.reports.api.dependencies import Now, Snapshot, period_of
from services.reports.console.charts import Series, by_month, by_part
from services.reports.console.pages import page
from services.reports.render.templates import query

router = APIRouter()

MAX_CUSTOMERS = 8
MAX_PARTS = 10
SERIES = ("Billed", "Duplicate savings", "Cap savings")


class Attention(NamedTuple):
    """Something that needs attention, and the page to handle it."""

    number: int
    one: str
    many: str
    remedy: str
    address: str

    @property
    def what(self) -> str:
        return self.one if self.number == 1 else self.many


@router.get("/", response_class=HTMLResponse)
def show_overview(
    request: Request, session: Snapshot, now: Now, month: str | None = None
) -> HTMLResponse:
    """The newest month with actions, or the requested one, compared with the months before it."""
    active = active_months(session)
    if month is not None:
        shown = period_of(month, "month")
    else:
        shown = active[0] if active else Period(now.date().replace(day=1))
    found = overview(session, shown)
    by_customer = found.by_customer
    return page(
        request,
        "overview.html",
        "overview",
        month=shown,
        month_before=found.months[-2][0].name if len(found.months) > 1 else "the month before",
        choices=active if shown in active else sorted([*active, shown], reverse=True),
        is_used=bool(active),
        overview=found,
        attention=_attention(found, shown, pending_work(session)),
        series=SERIES,
        month_rows=[(each.name, totals) for each, totals in reversed(found.months)],
        by_month=by_month(
            [f"{each.start:%b} {each.start:%y}" for each, _ in found.months],
            _series([totals for _, totals in found.months]),
            f"Billed and saved per month, the twelve up to {shown.name}; the figures are in the "
            "table below",
        ),
        top_customers=by_customer[:MAX_CUSTOMERS],
        more_customers=len(by_customer) if len(by_customer) > MAX_CUSTOMERS else 0,
        **_parts("product", found.by_product, shown),
        **_parts("lead_type", found.by_lead_type, shown),
    )


def _parts(kind: str, shares: list[Share], month: Period) -> dict[str, Any]:
    drawn = shares[:MAX_PARTS]
    what = kind.replace("_", " ")
    return {
        f"{kind}_rows": [(share.name, share.totals) for share in shares],
        f"by_{kind}": by_part(
            [share.name for share in drawn],
            _series([share.totals for share in drawn]),
            f"Billed and saved by {what} in {month.name}; the figures are in the table below",
        )
        if drawn
        else "",
    }


def _series(totals: list[Totals]) -> list[Series]:
    columns = (
        [each.billed_cents for each in totals],
        [each.duplicate_cents for each in totals],
        [each.cap_cents for each in totals],
    )
    return [Series(name, cents) for name, cents in zip(SERIES, columns, strict=True)]


def _attention(found: Overview, month: Period, pending: PendingWork) -> list[Attention]:
    items = [
        Attention(
            pending.quarantined_leads,
            "lead in quarantine",
            "leads in quarantine",
            "Customer or product is not registered.",
            "console/quarantine",
        ),
        Attention(
            pending.parked_customers,
            "customer whose month could not be closed",
            "customers whose month could not be closed",
            "The run shows the reason.",
            "console/runs",
        ),
        Attention(
            pending.unfinished_runs,
            "billing run that has not finished",
            "billing runs that have not finished",
            "Running, or cut short.",
            "console/runs",
        ),
        Attention(
            pending.open_disputes,
            "open dispute",
            "open disputes",
            "Waiting to be accepted or rejected.",
            "console/disputes?" + query({"status": "open"}),
        ),
        Attention(
            pending.late_actions,
            "late action, after its month was closed",
            "late actions, after their month was closed",
            "Billed on the next report.",
            "console/reports?" + query({"status": "draft"}),
        ),
        Attention(
            found.leads_without_user,
            f"lead of {month.name} without a user",
            f"leads of {month.name} without a user",
            "They share one cap per customer, and can be duplicates of each other.",
            "console/leads?" + query({"without_user": "true"}),
        ),
        Attention(
            found.unpriced_actions,
            f"action of {month.name} without a price",
            f"actions of {month.name} without a price",
            "No rate card in force prices them.",
            "console/rate-cards",
        ),
    ]
    return [item for item in items if item.number]
