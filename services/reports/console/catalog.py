"""/console/customers and /console/products: the lists, and a form for one of them.

Who saves what somebody else has changed in between is told so, and sees both.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from zoneinfo import available_timezones

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from common.catalog import customers, products
from common.catalog.customers import get_customer, get_customer_for_update, register_customer
from common.catalog.models import Customer, Product
from common.catalog.products import get_product, get_product_for_update, register_product
from common.problems import Conflict, Problem
from common.request_model import Id
from services.reports.api.dependencies import Cursor, Snapshot
from services.reports.api.pagination import from_cursor, to_cursor
from services.reports.api.schemas.customers import CustomerBody
from services.reports.api.schemas.products import ProductBody
from services.reports.console.forms import Fields, Form, attempted, parsed, tag_of
from services.reports.console.pages import page, query, see_other

router = APIRouter()

ENTRIES_A_PAGE = 100
_FIELDS = ("id", "name", "email", "timezone", "description")


class IdBody(BaseModel):
    """The id that a form names."""

    id: Id


class Change(NamedTuple):
    """A field that stands otherwise than the person who saves has it."""

    name: str
    stored: str
    theirs: str


@router.get("/console/customers", response_class=HTMLResponse)
def list_customers(request: Request, connection: Snapshot, cursor: Cursor = None) -> HTMLResponse:
    after = None if cursor is None else from_cursor(cursor, str)
    found = customers.list_customers(connection, after, ENTRIES_A_PAGE + 1)
    return page(
        request,
        "customers.html",
        "customers",
        customers=found[:ENTRIES_A_PAGE],
        next_cursor=_next(found),
    )


@router.get("/console/products", response_class=HTMLResponse)
def list_products(request: Request, connection: Snapshot, cursor: Cursor = None) -> HTMLResponse:
    after = None if cursor is None else from_cursor(cursor, str)
    found = products.list_products(connection, after, ENTRIES_A_PAGE + 1)
    return page(
        request,
        "products.html",
        "products",
        products=found[:ENTRIES_A_PAGE],
        next_cursor=_next(found),
    )


@router.get("/console/customer", response_class=HTMLResponse)
def edit_customer(
    request: Request,
    connection: Snapshot,
    id: Id | None = None,
    new_id: Id | None = None,
    saved: bool = False,
) -> HTMLResponse:
    """The form of the customer of that `id`, or an empty one."""
    stored = None if id is None else get_customer(connection, id)
    values = {"id": new_id or "", "timezone": "UTC"} if stored is None else _customer(stored)
    return _customer_page(request, stored, values, saved=saved)


@router.post("/console/customer", response_class=HTMLResponse)
def save_customer(request: Request, form: Form) -> Response:
    def save(connection: Connection) -> str:
        customer_id = parsed(IdBody, {"id": form.get("id", "")}).id
        body = parsed(
            CustomerBody, {name: form.get(name, "") for name in ("name", "email", "timezone")}
        )
        stored = get_customer_for_update(connection, customer_id)
        _require_seen(form, _customer(stored) if stored else None)
        register_customer(connection, customer_id, body.name, body.email, body.timezone)
        return customer_id

    done = attempted(save)
    if isinstance(done, str):
        return see_other(request, "console/customer?" + query({"id": done, "saved": "true"}))
    stored = attempted(lambda connection: get_customer(connection, form.get("id", "")))
    return _customer_page(
        request, stored if isinstance(stored, Customer) else None, dict(form), done
    )


@router.get("/console/product", response_class=HTMLResponse)
def edit_product(
    request: Request,
    connection: Snapshot,
    id: Id | None = None,
    new_id: Id | None = None,
    saved: bool = False,
) -> HTMLResponse:
    """The form of the product of that `id`, or an empty one."""
    stored = None if id is None else get_product(connection, id)
    values = {"id": new_id or ""} if stored is None else _product(stored)
    return _product_page(request, stored, values, saved=saved)


@router.post("/console/product", response_class=HTMLResponse)
def save_product(request: Request, form: Form) -> Response:
    def save(connection: Connection) -> str:
        product_id = parsed(IdBody, {"id": form.get("id", "")}).id
        body = parsed(
            ProductBody,
            {"name": form.get("name", ""), "description": form.get("description") or None},
        )
        stored = get_product_for_update(connection, product_id)
        _require_seen(form, _product(stored) if stored else None)
        register_product(connection, product_id, body.name, body.description)
        return product_id

    done = attempted(save)
    if isinstance(done, str):
        return see_other(request, "console/product?" + query({"id": done, "saved": "true"}))
    stored = attempted(lambda connection: get_product(connection, form.get("id", "")))
    return _product_page(request, stored if isinstance(stored, Product) else None, dict(form), done)


def _customer(stored: Customer) -> dict[str, str]:
    """What the form shows of a customer."""
    return {
        "id": stored.external_id,
        "name": stored.name,
        "email": stored.email,
        "timezone": stored.timezone,
    }


def _product(stored: Product) -> dict[str, str]:
    return {
        "id": stored.external_id,
        "name": stored.name,
        "description": stored.description or "",
    }


def _require_seen(form: Fields, stored: dict[str, str] | None) -> None:
    """Raises Conflict when the form was filled in on another state than the one stored."""
    seen = form.get("seen", "")
    if stored is None and seen:
        raise Conflict("it is not registered any more")
    if stored is not None and not seen:
        raise Conflict(f"{stored['id']!r} is registered already; its entries are below")
    if stored is not None and seen != tag_of(*stored.values()):
        raise Conflict("somebody else has changed it since you opened it; see below")


def _customer_page(
    request: Request,
    stored: Customer | None,
    values: dict[str, str],
    problem: Problem | None = None,
    saved: bool = False,
) -> HTMLResponse:
    return _form_page(
        request,
        "customer.html",
        "customers",
        _customer(stored) if stored else None,
        values,
        problem,
        customer=stored,
        zones=sorted(available_timezones()),
        saved=saved,
    )


def _product_page(
    request: Request,
    stored: Product | None,
    values: dict[str, str],
    problem: Problem | None = None,
    saved: bool = False,
) -> HTMLResponse:
    return _form_page(
        request,
        "product.html",
        "products",
        _product(stored) if stored else None,
        values,
        problem,
        product=stored,
        saved=saved,
    )


def _form_page(
    request: Request,
    template: str,
    here: str,
    stored: dict[str, str] | None,
    values: dict[str, str],
    problem: Problem | None,
    **others: Any,
) -> HTMLResponse:
    """The form as it was filled in. After a conflict, saving again is about what is stored now."""
    changes = [
        Change(name.capitalize(), text, values.get(name, ""))
        for name, text in (stored or {}).items()
        if isinstance(problem, Conflict) and values.get(name, "") != text
    ]
    return page(
        request,
        template,
        here,
        200 if problem is None else int(problem.status),
        values=dict.fromkeys(_FIELDS, "") | values,
        seen="" if stored is None else tag_of(*stored.values()),
        problem=problem,
        changes=changes,
        **others,
    )


def _next(found: Sequence[Customer] | Sequence[Product]) -> str | None:
    """The cursor of the next page, where there is one."""
    is_more = len(found) > ENTRIES_A_PAGE
    return to_cursor(found[ENTRIES_A_PAGE - 1].external_id) if is_more else None
