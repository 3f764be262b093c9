"""/console/products: the list; /console/product: the form of one."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from common.catalog import products
from common.catalog.models import Product
from common.catalog.products import get_product, get_product_for_update, register_product
from common.problems import Problem
from common.request_model import Id
from services.reports.api.dependencies import Cursor, Snapshot
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.api.schemas.products import ProductBody
from services.reports.console.forms import Form, attempted, parsed
from services.reports.console.pages import page, see_other
from services.reports.console.record_form import IdBody, form_page, require_seen
from services.reports.render.templates import query

router = APIRouter()

ENTRIES_A_PAGE = 100


@router.get("/console/products", response_class=HTMLResponse)
def list_products(request: Request, session: Snapshot, cursor: Cursor = None) -> HTMLResponse:
    after = None if cursor is None else from_cursor(cursor, str)
    found = products.list_products(session, after, ENTRIES_A_PAGE + 1)
    shown, last = cut_page(found, ENTRIES_A_PAGE)
    return page(
        request,
        "products.html",
        "products",
        products=shown,
        next_cursor=last and to_cursor(last.external_id),
    )


@router.get("/console/product", response_class=HTMLResponse)
def edit_product(
    request: Request,
    session: Snapshot,
    id: Id | None = None,
    new_id: Id | None = None,
    saved: bool = False,
) -> HTMLResponse:
    """The form of the product of that `id`, or an empty one."""
    stored = None if id is None else get_product(session, id)
    values = {"id": new_id or ""} if stored is None else _fields(stored)
    return _page(request, stored, values, saved=saved)


@router.post("/console/product", response_class=HTMLResponse)
def save_product(request: Request, form: Form) -> Response:
    def save(session: Session) -> str:
        product_id = parsed(IdBody, {"id": form.get("id", "")}).id
        body = parsed(
            ProductBody,
            {"name": form.get("name", ""), "description": form.get("description") or None},
        )
        stored = get_product_for_update(session, product_id)
        require_seen(form, _fields(stored) if stored else None)
        register_product(session, product_id, body.name, body.description)
        return product_id

    done = attempted(save)
    if isinstance(done, str):
        return see_other(request, "console/product?" + query({"id": done, "saved": "true"}))
    stored = attempted(lambda session: get_product(session, form.get("id", "")))
    return _page(request, stored if isinstance(stored, Product) else None, dict(form), done)


def _fields(stored: Product) -> dict[str, str]:
    return {
        "id": stored.external_id,
        "name": stored.name,
        "description": stored.description or "",
    }


def _page(
    request: Request,
    stored: Product | None,
    values: dict[str, str],
    problem: Problem | None = None,
    saved: bool = False,
) -> HTMLResponse:
    return form_page(
        request,
        "product.html",
        "products",
        _fields(stored) if stored else None,
        values,
        problem,
        product=stored,
        saved=saved,
    )
