"""/console/customers: the list; /console/customer: the form of one."""

from zoneinfo import available_timezones

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from common.catalog import customers
from common.catalog.customers import get_customer, get_customer_for_update, register_customer
from common.catalog.models import Customer
from common.problems import Problem
from common.request_model import Id
from services.reports.api.dependencies import Cursor, Snapshot
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.api.schemas.customers import CustomerBody
from services.reports.console.forms import Form, attempted, parsed
from services.reports.console.pages import page, see_other
from services.reports.console.record_form import IdBody, form_page, require_seen
from services.reports.render.templates import query

router = APIRouter()

ENTRIES_A_PAGE = 100


@router.get("/console/customers", response_class=HTMLResponse)
def list_customers(request: Request, session: Snapshot, cursor: Cursor = None) -> HTMLResponse:
    after = None if cursor is None else from_cursor(cursor, str)
    found = customers.list_customers(session, after, ENTRIES_A_PAGE + 1)
    shown, last = cut_page(found, ENTRIES_A_PAGE)
    return page(
        request,
        "customers.html",
        "customers",
        customers=shown,
        next_cursor=last and to_cursor(last.external_id),
    )


@router.get("/console/customer", response_class=HTMLResponse)
def edit_customer(
    request: Request,
    session: Snapshot,
    id: Id | None = None,
    new_id: Id | None = None,
    saved: bool = False,
) -> HTMLResponse:
    """The form of the customer of that `id`, or an empty one."""
    stored = None if id is None else get_customer(session, id)
    values = {"id": new_id or "", "timezone": "UTC"} if stored is None else _fields(stored)
    return _page(request, stored, values, saved=saved)


@router.post("/console/customer", response_class=HTMLResponse)
def save_customer(request: Request, form: Form) -> Response:
    def save(session: Session) -> str:
        customer_id = parsed(IdBody, {"id": form.get("id", "")}).id
        body = parsed(
            CustomerBody, {name: form.get(name, "") for name in ("name", "email", "timezone")}
        )
        stored = get_customer_for_update(session, customer_id)
        require_seen(form, _fields(stored) if stored else None)
        register_customer(session, customer_id, body.name, body.email, body.timezone)
        return customer_id

    done = attempted(save)
    if isinstance(done, str):
        return see_other(request, "console/customer?" + query({"id": done, "saved": "true"}))
    stored = attempted(lambda session: get_customer(session, form.get("id", "")))
    return _page(request, stored if isinstance(stored, Customer) else None, dict(form), done)


def _fields(stored: Customer) -> dict[str, str]:
    """What the form shows of a customer."""
    return {
        "id": stored.external_id,
        "name": stored.name,
        "email": stored.email,
        "timezone": stored.timezone,
    }


def _page(
    request: Request,
    stored: Customer | None,
    values: dict[str, str],
    problem: Problem | None = None,
    saved: bool = False,
) -> HTMLResponse:
    return form_page(
        request,
        "customer.html",
        "customers",
        _fields(stored) if stored else None,
        values,
        problem,
        customer=stored,
        zones=sorted(available_timezones()),
        saved=saved,
    )
