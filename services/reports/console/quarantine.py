"""/console/quarantine: leads of unknown customers or products, importing and dismissing them."""

from collections import Counter
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field

from common.database.transactions import transaction
from common.leads.quarantine import (
    HeldBack,
    QuarantineFilter,
    QuarantineKey,
    count_quarantined,
    dismiss,
    dismiss_matching,
    quarantine_causes,
    quarantined_leads,
)
from common.leads.replay import replay_one, replay_piece
from common.leads.results import STORED, Result, Status
from common.problems import Problem
from common.request_model import Id
from common.settings import settings
from services.reports.api.dependencies import Cursor, Now, Snapshot
from services.reports.api.pagination import QUARANTINE, from_cursor, to_cursor
from services.reports.console.forms import Form, attempted, parsed
from services.reports.console.pages import list_page, see_other
from services.reports.http.routes import Router
from services.reports.render.templates import query

router = Router()

LEADS_A_PAGE = 50

# By reason: the form that registers what is missing, its name, and the filter it is named by.
_FORMS = {
    "unknown_customer": ("console/customer", "customer", "customer_id"),
    "unknown_product": ("console/product", "product", "product_id"),
}
_NAMES = {
    "conflict": "differs from the stored lead",
    "invalid": "not valid any more",
}


class OneLead(BaseModel):
    quarantine_id: UUID


class Filters(BaseModel):
    """The filters of the page, and how far a replay of them has come."""

    reason: Id | None = None
    customer_id: Id | None = None
    product_id: Id | None = None
    cursor: str | None = Field(None, max_length=4096)

    @property
    def chosen(self) -> QuarantineFilter:
        return QuarantineFilter(self.customer_id, self.product_id, reason=self.reason)

    @property
    def named(self) -> dict[str, str | None]:
        return self.model_dump(include={"reason", "customer_id", "product_id"})


def filters_of(cause: HeldBack) -> dict[str, str | None]:
    """The filters that find the leads of one cause."""
    form = _FORMS.get(cause.reason)
    return {"reason": cause.reason} | ({form[2]: cause.missing_id} if form else {})


def _about(filters: Filters) -> list[tuple[str, str | None]]:
    """What the filters are about, each in a word and an id."""
    words = [("customer", filters.customer_id), ("product", filters.product_id)]
    about: list[tuple[str, str | None]] = [(word, id) for word, id in words if id is not None]
    if filters.reason is not None and not (about and filters.reason in _FORMS):
        about.append((_NAMES.get(filters.reason, filters.reason.replace("_", " ")), None))
    return about


@router.get("/console/quarantine", response_class=HTMLResponse)
def show_quarantine(
    request: Request,
    session: Snapshot,
    reason: Id | None = None,
    customer_id: Id | None = None,
    product_id: Id | None = None,
    cursor: Cursor = None,
    stored: int | None = None,
    waiting: int = 0,
    conflicts: int = 0,
    rest: Cursor = None,
    dismissed: int | None = None,
) -> HTMLResponse:
    """Missing customers and products, and the leads of one of them or of all.

    `stored` and what follows it say what an import did; `rest` is the cursor of what it left.
    """
    filters = Filters(reason=reason, customer_id=customer_id, product_id=product_id)
    find = partial(quarantined_leads, session, filters.chosen)
    done = {"stored": stored, "waiting": waiting, "conflicts": conflicts, "rest": rest}
    return list_page(
        request,
        "quarantine.html",
        "Quarantine",
        QUARANTINE.page(find, cursor, LEADS_A_PAGE, filters.chosen),
        list(filters.named),
        causes=quarantine_causes(session),
        filters_of=filters_of,
        forms=_FORMS,
        names=_NAMES,
        matching=count_quarantined(session, filters.chosen),
        about=_about(filters),
        done=None if stored is None else done,
        dismissed=dismissed,
    )


@router.post("/console/quarantine", response_class=HTMLResponse)
def replay_leads(request: Request, form: Form, now: Now) -> Response:
    """Imports or dismisses one lead or a piece of a filter (console.js imports all of it)."""
    known = settings()
    if "dismiss" in form:
        dismissed = parsed(OneLead, {"quarantine_id": form["dismiss"]}).quarantine_id
        problem = attempted(lambda session: dismiss(session, dismissed))
        if isinstance(problem, Problem):
            raise problem
        return see_other(request, "console/quarantine?dismissed=1")
    if "quarantine_id" in form:
        chosen = parsed(OneLead, form).quarantine_id
        with transaction() as session:
            result = replay_one(session, chosen, known, now)
        return see_other(request, "console/quarantine?" + query(_done([result])))
    given = {name: value for name, value in form.items() if value and name != "dismiss_all"}
    filters = parsed(Filters, given)
    if "dismiss_all" in form:
        with transaction() as session:
            count = dismiss_matching(session, filters.chosen)
            rest = filters.named if count_quarantined(session, filters.chosen) else {}
        return see_other(request, "console/quarantine?" + query({"dismissed": count} | rest))
    whole = "replay", filters.chosen
    after = from_cursor(filters.cursor, QuarantineKey, whole)
    with transaction() as session:
        piece = replay_piece(session, filters.chosen, known, now, after=after)
    done = _done([each.result for each in piece.replayed])
    if piece.next_key is not None:
        done |= filters.named | {"rest": to_cursor(piece.next_key, whole)}
    return see_other(request, "console/quarantine?" + query(done))


def _done(results: list[Result]) -> dict[str, Any]:
    counts = Counter(result.status for result in results)
    stored = sum(result.status in STORED for result in results)
    conflicts = counts[Status.CONFLICT]
    return {
        "stored": stored,
        "waiting": len(results) - stored - conflicts,
        "conflicts": conflicts,
    }
