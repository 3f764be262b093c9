"""/: a month at a glance."""

from typing import Any, NamedTuple

from fastapi import Request
from fastapi.responses import HTMLResponse

from common.billing_period import Period
from common.closing.preview import unclosed_months
from common.rating.line import Totals
from common.rating.periods import active_periods
from common.reports.dashboard import (
    Overview,
    PendingWork,
    Share,
    months_of,
    overview,
    pending_work,
)
from services.reports.api.dependencies import Now, Snapshot, period_of
from services.reports.console.charts import Series, by_month, by_part
from services.reports.console.pages import frame_of, page
from services.reports.http.routes import Router
from services.reports.render.templates import query

router = Router()

MAX_CUSTOMERS = 8
MAX_PARTS = 10
MAX_UNCLOSED = 3
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
    with_actions = active_periods(session, None, None, None)
    active = months_of(with_actions)
    if month is not None:
        period = period_of(month, "month")
    else:
        period = active[0] if active else Period(now.date().replace(day=1))
    summary = overview(session, period)
    by_customer = summary.by_customer
    return page(
        request,
        "overview.html",
        "Overview",
        month=period,
        month_before=summary.months[-2][0].name if len(summary.months) > 1 else "the month before",
        choices=active if period in active else sorted([*active, period], reverse=True),
        is_used=bool(active),
        is_running=now.date() < period.end,
        overview=summary,
        attention=_unclosed(request, unclosed_months(session, with_actions, now))
        + _attention(summary, period, pending_work(session)),
        series=SERIES,
        month_rows=[(month.name, totals) for month, totals in reversed(summary.months)],
        by_month=by_month(
            [f"{month.start:%b %y}" for month, _ in summary.months],
            _series([totals for _, totals in summary.months]),
            f"Billed and saved per month, the twelve up to {period.name}; the figures are in the "
            "table below",
        ),
        top_customers=by_customer[:MAX_CUSTOMERS],
        more_customers=len(by_customer) if len(by_customer) > MAX_CUSTOMERS else 0,
        **_parts("product", summary.by_product, period),
        **_parts("lead_type", summary.by_lead_type, period),
    )


def _parts(kind: str, shares: list[Share], month: Period) -> dict[str, Any]:
    first_shares = shares[:MAX_PARTS]
    what = kind.replace("_", " ")
    return {
        f"{kind}_rows": [(share.name, share.totals) for share in shares],
        f"by_{kind}": by_part(
            [share.name for share in first_shares],
            _series([share.totals for share in first_shares]),
            f"Billed and saved by {what} in {month.name}; the figures are in the table below",
        )
        if first_shares
        else "",
    }


def _series(totals: list[Totals]) -> list[Series]:
    columns = (
        [sums.billed_cents for sums in totals],
        [sums.duplicate_cents for sums in totals],
        [sums.cap_cents for sums in totals],
    )
    return [Series(name, cents) for name, cents in zip(SERIES, columns, strict=True)]


def _unclosed(request: Request, months: list[tuple[Period, int]]) -> list[Attention]:
    """The months to close, oldest first; from the fourth on in one line."""
    closes = frame_of(request).may_change
    drafts = {"status": "draft"}
    shown = months[:MAX_UNCLOSED] if len(months) > MAX_UNCLOSED + 1 else months
    items = [
        Attention(
            customers,
            f"customer with {month.name} not closed",
            f"customers with {month.name} not closed",
            "The month is over.",
            "console/close?" + query({"period": month})
            if closes
            else "console/reports?" + query(drafts | {"period": str(month)}),
        )
        for month, customers in shown
    ]
    rest = months[len(shown) :]
    if rest:
        remedy = f"{rest[0][0].name} to {rest[-1][0].name}."
        address = (
            "console/close?" + query({"through": rest[-1][0]})
            if closes
            else "console/reports?" + query(drafts)
        )
        items.append(Attention(len(rest), "", "more months not closed", remedy, address))
    return items


def _attention(summary: Overview, month: Period, pending: PendingWork) -> list[Attention]:
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
            "parked customer",
            "parked customers",
            "Their month could not be closed. The run shows the reason.",
            "console/runs",
        ),
        Attention(
            pending.unfinished_runs,
            "billing run that has not finished",
            "billing runs that have not finished",
            "It is running, or it was cut short.",
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
            pending.disabled_webhooks,
            "webhook that was disabled",
            "webhooks that were disabled",
            "Its receiver took no events for 3 days, or is gone. Events wait.",
            "console/webhooks",
        ),
        Attention(
            pending.late_actions,
            "late action, after its month was closed",
            "late actions, after their month was closed",
            "Billed on the report of the first open month.",
            "console/reports?" + query({"status": "draft"}),
        ),
        Attention(
            summary.leads_without_user,
            f"lead of {month.name} without a user",
            f"leads of {month.name} without a user",
            "They share one cap per customer, and can be duplicates of each other.",
            "console/leads?" + query({"without_user": "true", "active_in": month}),
        ),
        Attention(
            summary.unpriced_actions,
            f"action of {month.name} without a price",
            f"actions of {month.name} without a price",
            "No rate card in force prices them.",
            "console/rate-cards",
        ),
    ]
    return [item for item in items if item.number]
