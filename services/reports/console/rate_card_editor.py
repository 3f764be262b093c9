"""/console/rate-card-editor: a new version, simulated on a past month before it is saved.

A form is edited, then reviewed with the result of its simulation, then saved. If somebody else has
saved a newer version meanwhile, the form shows what they changed.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.customers import get_customer
from common.catalog.lead_types import list_lead_types
from common.catalog.models import Customer
from common.catalog.products import list_products
from common.database.transactions import snapshot
from common.money import amount
from common.problems import Problem
from common.rating.line import sum_of
from common.rating.models import RateCard
from common.rating.rate_card_checks import require_addable
from common.rating.rate_cards import add_rate_card, latest_rate_card, rate_card_by_number
from common.rating.simulation import Simulated, simulate
from common.reports.dashboard import active_months
from common.request_model import Id
from services.reports.api.dependencies import Now, Snapshot, period_of
from services.reports.console.forms import Fields, Form, attempted
from services.reports.console.pages import page, see_other
from services.reports.console.rate_card_form import FIELDS, proposed_card, specific_rows
from services.reports.console.rate_card_terms import (
    LEVELS,
    SCOPES,
    Difference,
    RateRow,
    prices_by_level,
    proposed_terms,
    specific_rates,
    stored_terms,
)
from services.reports.http.routes import Router
from services.reports.render.templates import query

router = Router()

MAX_PRODUCTS = 500
_SPARE_ROWS = 2


@router.get("/console/rate-card-editor", response_class=HTMLResponse)
def edit_rate_card(
    request: Request, session: Snapshot, now: Now, customer_id: Id | None = None
) -> HTMLResponse:
    """A new version, filled in as the newest one; a customer's first as the default card."""
    owner = None if customer_id is None else get_customer(session, customer_id)
    newest = latest_rate_card(session, _id(owner))
    has_own = newest is not None and not newest.follows_default
    model = newest if has_own else latest_rate_card(session, None)
    values = {
        "customer_id": customer_id or "",
        "expected_version": str(newest.version if newest else 0),
        "name": newest.name if newest else "",
        "valid_from": str(Period(Period(now.date().replace(day=1)).end)),
        "dispute_window_days": str(model.dispute_window_days) if model else "",
        "cap_amount": amount(model.cap_cents) if model else "",
        "cap_scope": model.cap_scope.value if model else "user",
    } | {f"base-{level}": text for level, text in prices_by_level(model).items()}
    charged = [charged.lead_type for charged in model.charged_duplicates] if model else []
    if months := _past_months(session, now):
        values["period"] = str(months[0])
    return _editor(request, session, owner, values, specific_rates(model), charged)


@router.post("/console/rate-card-editor", response_class=HTMLResponse)
def post_rate_card(request: Request, form: Form, now: Now) -> Response:
    """By the button: shows the form again, simulates the card, or saves it."""
    step = form.get("step")
    if step == "save":
        result = attempted(lambda session: add_rate_card(session, proposed_card(form), now))
        if isinstance(result, RateCard):
            saved = {"id": result.rate_card_id, "saved": "true"}
            return see_other(request, "console/rate-card?" + query(saved))
        return _form_again(request, form, result)
    if step == "review":
        # Two transactions: the first one locks, and a simulation takes long.
        refused = attempted(lambda session: require_addable(session, proposed_card(form), now))
        if isinstance(refused, Problem):
            return _form_again(request, form, refused)
        review = attempted(lambda session: _review(request, session, form, now))
        return _form_again(request, form, review) if isinstance(review, Problem) else review
    return _form_again(request, form, None)


def _review(request: Request, session: Session, form: Fields, now: datetime) -> HTMLResponse:
    card = proposed_card(form)
    months = _past_months(session, now)
    month = months[0] if months else None
    if form.get("period"):
        month = period_of(form["period"])
    customers = None if card.customer_id is None else [(card.customer_id, "/customer_id")]
    simulated = [] if month is None else simulate(session, month, card, customers)
    return page(
        request,
        "rate_card_review.html",
        "Rate cards",
        card=card,
        begins=Period.parse(card.valid_from).name,
        owner=None if card.customer_id is None else get_customer(session, card.customer_id),
        lines=list(proposed_terms(card).items()),
        fields=[(name, text) for name, text in form.multi_items() if name != "step"],
        month=month,
        simulated=sorted(simulated, key=_change, reverse=True),
        before=sum_of(customer.current for customer in simulated),
        after=sum_of(customer.proposed for customer in simulated),
    )


def _change(customer: Simulated) -> int:
    return abs(customer.proposed.billed_cents - customer.current.billed_cents)


def _form_again(request: Request, form: Fields, problem: Problem | None) -> HTMLResponse:
    """The form as it was filled in, with the errors and with what somebody else has changed."""
    errors = [] if problem is None else problem.errors
    values = {name: text for name, text in form.items() if name != "step"}
    rows, charged = specific_rows(form), form.getlist("charged")
    differences: list[Difference] = []
    with snapshot() as session:
        owner = get_customer(session, form["customer_id"]) if form.get("customer_id") else None
        if any(error.code == "version_conflict" for error in errors):
            newest = latest_rate_card(session, _id(owner))
            differences = _differences(session, owner, form, newest)
            values["expected_version"] = str(newest.version if newest else 0)
        return _editor(request, session, owner, values, rows, charged, problem, differences)


def _editor(
    request: Request,
    session: Session,
    owner: Customer | None,
    values: dict[str, str],
    rows: list[RateRow],
    charged: list[str],
    problem: Problem | None = None,
    differences: Iterable[Difference] = (),
) -> HTMLResponse:
    return page(
        request,
        "rate_card_editor.html",
        "Rate cards",
        problem,
        owner=owner,
        values=dict.fromkeys(FIELDS, "") | values,
        rows=[*rows, *[RateRow()] * _SPARE_ROWS],
        charged=charged,
        levels=LEVELS,
        lead_types=list_lead_types(session),
        products=list_products(session, None, MAX_PRODUCTS),
        months=active_months(session),
        scopes=SCOPES,
        differences=differences,
    )


def _id(owner: Customer | None) -> UUID | None:
    return None if owner is None else owner.customer_id


def _past_months(session: Session, now: datetime) -> list[Period]:
    """The months with actions that are over, newest first; if none is over, the current ones."""
    active = active_months(session)
    return [month for month in active if month.end <= now.date()] or active


def _differences(
    session: Session, owner: Customer | None, form: Fields, newest: RateCard | None
) -> list[Difference]:
    """Terms that differ: when the form was opened, on the newest version, and in the form."""
    version = form.get("expected_version", "")
    seen = stored_terms(
        rate_card_by_number(session, _id(owner), int(version))
        if version.isdecimal() and len(version) < 10
        else None
    )
    now, entered = stored_terms(newest), proposed_terms(proposed_card(form))
    return [
        Difference(name, seen.get(name, ""), now.get(name, ""), entered.get(name, ""))
        for name in dict.fromkeys([*now, *seen, *entered])
        if seen.get(name) != now.get(name) or now.get(name) != entered.get(name)
    ]
