"""/console/rate-cards: every version there was, and a new one, tried on a past month before.

A form is edited, reviewed with what it would have cost, and only then saved. Who saves on a version
that is not the newest any more is shown what somebody else changed.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from common.billing_period import Period
from common.catalog.customers import get_customer
from common.catalog.lead_types import list_lead_types
from common.catalog.models import Customer
from common.catalog.products import list_products
from common.enums import EngagementLevel
from common.money import amount
from common.problems import Problem
from common.rating import rate_cards
from common.rating.models import RateCard
from common.rating.rate_card_checks import require_addable
from common.rating.rate_cards import (
    add_rate_card,
    get_rate_card,
    latest_rate_card,
    rate_card_by_number,
)
from common.rating.schemas import DISPUTE_WINDOW_DAYS, CardKey, NewCard
from common.rating.simulation import Simulated, simulate
from common.rating.totals import Totals
from common.reports.dashboard import active_months
from common.request_model import Id
from services.reports.api.dependencies import Cursor, Now, Snapshot, period_of
from services.reports.api.pagination import from_cursor, to_cursor
from services.reports.console.forms import Fields, Form, attempted, parsed
from services.reports.console.pages import page, query, see_other

router = APIRouter()

VERSIONS_A_PAGE = 50
MAX_PRODUCTS = 500
_LEVELS = [level.value for level in EngagementLevel]
_SPARE_ROWS = 2
_FIELDS = (
    *("customer_id", "expected_version", "name", "valid_from", "cap_amount", "cap_scope"),
    *("dispute_window_days", "follows_default"),
    *("period", *(f"base-{level}" for level in _LEVELS)),
)
_COLUMNS = ("level", "type", "product", "amount")  # of a rate's row, in the form
_SCOPES = {"user": "each user", "user_and_product": "each user and product"}
_FOLLOWS = {"Prices": "those of the default card"}
_SHORT_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]{1,2})?)?")


class RateRow(NamedTuple):
    """A more specific rate as the form shows it."""

    level: str = ""
    lead_type: str = ""
    product_id: str = ""
    amount: str = ""


class Difference(NamedTuple):
    """A price or rule on the version somebody began with, on the newest one, and on theirs."""

    name: str
    seen: str
    newest: str
    theirs: str


@router.get("/console/rate-cards", response_class=HTMLResponse)
def list_rate_cards(
    request: Request,
    connection: Snapshot,
    customer_id: Id | None = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    """Every version: of the default card, then of each customer's own, the newest first."""
    after = None if cursor is None else from_cursor(cursor, CardKey)
    found = rate_cards.list_rate_cards(connection, customer_id, after, VERSIONS_A_PAGE + 1)
    shown = found[:VERSIONS_A_PAGE]
    last = shown[-1] if len(found) > VERSIONS_A_PAGE else None
    return page(
        request,
        "rate_cards.html",
        "rate_cards",
        cards=shown,
        customer=None if customer_id is None else get_customer(connection, customer_id),
        base=_base,
        scopes=_SCOPES,
        next_cursor=last
        and to_cursor(CardKey(last.customer.external_id if last.customer else "", last.version)),
    )


@router.get("/console/rate-card", response_class=HTMLResponse)
def show_rate_card(
    request: Request, connection: Snapshot, id: UUID, saved: bool = False
) -> HTMLResponse:
    """One version with all its rates."""
    card = get_rate_card(connection, id)
    return page(
        request,
        "rate_card.html",
        "rate_cards",
        card=card,
        base=_base(card),
        special=_special(card),
        scopes=_SCOPES,
        saved=saved,
    )


@router.get("/console/rate-card-editor", response_class=HTMLResponse)
def edit_rate_card(
    request: Request, connection: Snapshot, now: Now, customer_id: Id | None = None
) -> HTMLResponse:
    """A new version, filled in as the newest one; a customer's first as the default card."""
    owner = None if customer_id is None else get_customer(connection, customer_id)
    newest = latest_rate_card(connection, _id(owner))
    has_own = newest is not None and not newest.follows_default
    model = newest if has_own else latest_rate_card(connection, None)
    values = {
        "customer_id": customer_id or "",
        "expected_version": str(newest.version if newest else 0),
        "name": newest.name if newest else "",
        "valid_from": str(Period(Period(now.date().replace(day=1)).end)),
        "dispute_window_days": str(model.dispute_window_days) if model else "",
        "cap_amount": amount(model.cap_cents) if model else "",
        "cap_scope": model.cap_scope.value if model else "user",
    } | {f"base-{level}": text for level, text in _base(model).items()}
    charged = [each.lead_type for each in model.charged_duplicates] if model else []
    if months := _past_months(connection, now):
        values["period"] = str(months[0])
    return _editor(request, connection, owner, values, _special(model), charged)


@router.post("/console/rate-card-editor", response_class=HTMLResponse)
def post_rate_card(request: Request, form: Form, now: Now) -> Response:
    """By the button: the form again, its review with what it would have cost, or saving it."""
    step = form.get("step")
    if step == "save":
        done = attempted(lambda connection: add_rate_card(connection, _card(form), now))
        if isinstance(done, RateCard):
            saved = {"id": str(done.rate_card_id), "saved": "true"}
            return see_other(request, "console/rate-card?" + query(saved))
        return _again(request, form, done)
    if step == "review":
        refused = attempted(lambda connection: _require_addable(connection, form, now))
        if isinstance(refused, Problem):
            return _again(request, form, refused)
        reviewed = attempted(lambda connection: _review(request, connection, form, now))
        return _again(request, form, reviewed) if isinstance(reviewed, Problem) else reviewed
    return _again(request, form, None)


def _require_addable(connection: Connection, form: Fields, now: datetime) -> None:
    require_addable(connection, _card(form), now)


def _review(request: Request, connection: Connection, form: Fields, now: datetime) -> HTMLResponse:
    card = _card(form)
    months = _past_months(connection, now)
    tried = period_of(form["period"], "period") if form.get("period") else None
    month = tried or (months[0] if months else None)
    named = None if card.customer_id is None else [(card.customer_id, "/customer_id")]
    simulated = [] if month is None else simulate(connection, month, card, named)
    before, after = Totals(), Totals()
    for each in simulated:
        before, after = before.plus(each.current), after.plus(each.proposed)
    return page(
        request,
        "rate_card_review.html",
        "rate_cards",
        card=card,
        begins=Period.parse(card.valid_from).name,
        owner=None if card.customer_id is None else get_customer(connection, card.customer_id),
        lines=list(_proposed(card).items()),
        fields=[(name, text) for name, text in form.multi_items() if name != "step"],
        month=month,
        simulated=sorted(simulated, key=_change, reverse=True),
        before=before,
        after=after,
    )


def _change(each: Simulated) -> int:
    return abs(each.proposed.billed_cents - each.current.billed_cents)


def _again(request: Request, form: Fields, problem: Problem | None) -> HTMLResponse:
    """The form as it was filled in, with what was wrong and what somebody else has changed."""

    def show(connection: Connection) -> HTMLResponse:
        owner = get_customer(connection, form["customer_id"]) if form.get("customer_id") else None
        values = {name: text for name, text in form.items() if name != "step"}
        differences: list[Difference] = []
        is_conflict = problem is not None and any(
            error.code == "version_conflict" for error in problem.errors
        )
        if is_conflict:
            newest = latest_rate_card(connection, _id(owner))
            differences = _differences(connection, owner, form, newest)
            values["expected_version"] = str(newest.version if newest else 0)
        return _editor(
            request,
            connection,
            owner,
            values,
            _rows(form),
            form.getlist("charged"),
            problem,
            differences,
        )

    shown = attempted(show)
    if isinstance(shown, Problem):
        raise shown
    return shown


def _editor(
    request: Request,
    connection: Connection,
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
        "rate_cards",
        200 if problem is None else int(problem.status),
        owner=owner,
        values=dict.fromkeys(_FIELDS, "") | values,
        rows=[*rows, *[RateRow()] * _SPARE_ROWS],
        charged=charged,
        levels=_LEVELS,
        lead_types=list_lead_types(connection),
        products=list_products(connection, None, MAX_PRODUCTS),
        months=active_months(connection),
        scopes=_SCOPES,
        problem=problem,
        differences=differences,
    )


def _id(owner: Customer | None) -> UUID | None:
    return None if owner is None else owner.customer_id


def _past_months(connection: Connection, now: datetime) -> list[Period]:
    """The months with actions that are over, the newest first; else those under way."""
    active = active_months(connection)
    return [month for month in active if month.end <= now.date()] or active


def _card(form: Fields) -> NewCard:
    """The card that the form describes. Raises Invalid."""
    rates = [
        {"engagement_level": level, "amount": _full(form.get(f"base-{level}", ""))}
        for level in _LEVELS
    ] + [
        {
            "engagement_level": row.level,
            "amount": _full(row.amount),
            "lead_type": row.lead_type or None,
            "product_id": row.product_id or None,
        }
        for row in _rows(form)
    ]
    days = form.get("dispute_window_days", "")
    terms: dict[str, object] = {
        "rates": rates,
        "cap": {
            "amount": _full(form.get("cap_amount", "")),
            "scope": form.get("cap_scope", "user"),
        },
        "duplicates_charged_for": form.getlist("charged"),
        "dispute_window_days": _number(window) if (window := days.strip()) else None,
    }
    return parsed(
        NewCard,
        {
            "customer_id": form.get("customer_id") or None,
            "name": form.get("name", ""),
            "valid_from": form.get("valid_from", ""),
            "expected_version": _number(form.get("expected_version", "")),
        }
        | ({"follows_default": True} if form.get("follows_default") else terms),
    )


def _number(text: str) -> int | str:
    """The number that was typed; what is none is refused as it is."""
    typed = text.strip()
    return int(typed) if typed.isdecimal() and len(typed) < 10 else typed


def _rows(form: Fields) -> list[RateRow]:
    """The more specific rates that are filled in, in the form's order."""
    numbers = sorted(
        int(name.removeprefix("level-")) for name in form if re.fullmatch(r"level-[0-9]{1,4}", name)
    )
    rows = [
        RateRow(*(form.get(f"{part}-{number}", "").strip() for part in _COLUMNS))
        for number in numbers
    ]
    return [row for row in rows if any(row)]


def _full(text: str) -> str:
    """An amount as people type it, with its two places: "15" is "15.00"."""
    typed = text.strip().replace(",", "")
    match = _SHORT_AMOUNT.fullmatch(typed)
    return typed if match is None else f"{match[1]}.{(match[2] or '').ljust(2, '0')}"


def _base(card: RateCard | None) -> dict[str, str]:
    """The price of each level alone."""
    return {
        rate.engagement_level.value: amount(rate.amount_cents)
        for rate in (card.rates if card else [])
        if rate.lead_type is None and rate.product_id is None
    }


def _special(card: RateCard | None) -> list[RateRow]:
    return [
        RateRow(
            rate.engagement_level.value,
            rate.lead_type or "",
            rate.product.external_id if rate.product else "",
            amount(rate.amount_cents),
        )
        for rate in (card.rates if card else [])
        if rate.lead_type is not None or rate.product_id is not None
    ]


def _stored(card: RateCard | None) -> dict[str, str]:
    """A version as lines to read and compare."""
    if card is None:
        return {}
    begins = {"Name": card.name, "In force from": Period(card.valid_from).name}
    if card.follows_default:
        return begins | _FOLLOWS
    return begins | _terms(
        amount(card.cap_cents),
        card.cap_scope.value,
        card.dispute_window_days,
        [*[RateRow(level, amount=text) for level, text in _base(card).items()], *_special(card)],
        [each.lead_type for each in card.charged_duplicates],
    )


def _proposed(card: NewCard) -> dict[str, str]:
    begins = {"Name": card.name, "In force from": Period.parse(card.valid_from).name}
    if card.follows_default or card.cap is None:
        return begins | _FOLLOWS
    rows = [
        RateRow(
            rate.engagement_level.capitalize(),
            rate.lead_type or "",
            rate.product_id or "",
            rate.amount,
        )
        for rate in card.required_rates()
    ]
    return begins | _terms(
        card.cap.amount,
        card.cap.scope,
        DISPUTE_WINDOW_DAYS if card.dispute_window_days is None else card.dispute_window_days,
        rows,
        card.duplicates_charged_for,
    )


def _terms(
    cap: str, scope: str, days: int, rows: list[RateRow], charged: list[str]
) -> dict[str, str]:
    terms = {
        "Cap": f"{cap} for {_SCOPES[scope]}",
        "Duplicates charged for": ", ".join(sorted(charged)) or "no lead type",
        "Lines can be disputed for": f"{days} days",
    }
    for row in rows:
        place = " of ".join(part for part in (row.lead_type, row.product_id) if part)
        terms[f"{row.level}, {place}" if place else row.level] = row.amount
    return terms


def _differences(
    connection: Connection, owner: Customer | None, form: Fields, newest: RateCard | None
) -> list[Difference]:
    """Where the newest version is not the one the form began with, beside what the form says."""
    begun = form.get("expected_version", "")
    seen = _stored(
        rate_card_by_number(connection, _id(owner), int(begun))
        if begun.isdecimal() and len(begun) < 10
        else None
    )
    now, theirs = _stored(newest), _proposed(_card(form))
    return [
        Difference(name, seen.get(name, ""), now.get(name, ""), theirs.get(name, ""))
        for name in dict.fromkeys([*now, *seen, *theirs])
        if seen.get(name) != now.get(name) or now.get(name) != theirs.get(name)
    ]
