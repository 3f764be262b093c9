"""The pages of customers and products: the list of each, and the form of one.

If somebody else has changed a record since its form was opened, saving is refused, and the form
shows both versions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar
from zoneinfo import available_timezones

import phonenumbers
from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from common.catalog import customers, products
from common.catalog.models import Customer, Product
from common.database.transactions import snapshot
from common.leads.quarantine import QuarantineFilter, count_quarantined
from common.problems import Conflict, NotFound, Problem
from common.request_model import Id
from services.reports.api.dependencies import Cursor, Snapshot
from services.reports.api.pagination import CUSTOMERS, PRODUCTS, Order
from services.reports.api.schemas.customers import CustomerBody
from services.reports.api.schemas.products import ProductBody
from services.reports.console.forms import Fields, Form, attempted, parsed, tag_of
from services.reports.console.pages import list_page, page, see_other
from services.reports.http.routes import Router
from services.reports.render.templates import query

ENTRIES_A_PAGE = 100

Record = TypeVar("Record", Customer, Product)


@dataclass(frozen=True)
class Kind(Generic[Record]):
    """What customers and products do differently."""

    noun: str
    order: Order[Record]
    body: type[BaseModel]
    list: Callable[[Session, str | None, int], list[Record]]
    get: Callable[[Session, str], Record]
    get_for_update: Callable[[Session, str], Record | None]
    register: Callable[..., tuple[Record, bool]]
    defaults: dict[str, str] = field(default_factory=dict)
    may_be_empty: frozenset[str] = frozenset()
    choices: Callable[[], dict[str, Any]] = dict

    def fields(self, record: Record | None) -> dict[str, str]:
        """What the form shows of a stored record."""
        if record is None:
            return {}
        fields = {
            name: "" if (value := getattr(record, name)) is None else str(value)
            for name in self.body.model_fields
        }
        return {"id": record.external_id} | fields


class IdBody(BaseModel):
    """The id that a form names."""

    id: Id


class Change(NamedTuple):
    """A field whose stored value is not the value in the form."""

    name: str
    stored: str
    entered: str


def routes_of(kind: Kind[Record]) -> Router:
    """The pages of one kind of record."""
    router = Router(prefix="/console")
    form_address = f"console/{kind.noun}"
    menu = f"{kind.noun.capitalize()}s"

    @router.get(f"/{kind.noun}s", response_class=HTMLResponse)
    def list_records(request: Request, session: Snapshot, cursor: Cursor = None) -> HTMLResponse:
        listed = kind.order.page(partial(kind.list, session), cursor, ENTRIES_A_PAGE)
        return list_page(request, f"{kind.noun}s.html", menu, listed)

    @router.get(f"/{kind.noun}", response_class=HTMLResponse)
    def edit_record(
        request: Request,
        session: Snapshot,
        id: Id | None = None,
        new_id: Id | None = None,
        saved: bool = False,
    ) -> HTMLResponse:
        """The form of the record of that `id`, or an empty form."""
        record = None if id is None else kind.get(session, id)
        values = kind.fields(record) or kind.defaults | {"id": new_id or ""}
        filters = {"reason": f"unknown_{kind.noun}", f"{kind.noun}_id": values["id"]}
        held = count_quarantined(session, QuarantineFilter(**filters)) if values["id"] else 0
        return form_page(request, record, values, saved=saved, held=held, held_filters=filters)

    @router.post(f"/{kind.noun}", response_class=HTMLResponse)
    def save_record(request: Request, form: Form) -> Response:
        def save(session: Session) -> str:
            record_id = parsed(IdBody, {"id": form.get("id", "")}).id
            values = {name: form.get(name, "") for name in kind.body.model_fields}
            empty = {name for name in kind.may_be_empty if not values[name]}
            body = parsed(kind.body, values | dict.fromkeys(empty))
            _require_seen(form, kind.fields(kind.get_for_update(session, record_id)))
            kind.register(session, record_id, **body.model_dump())
            return record_id

        result = attempted(save)
        if isinstance(result, str):
            return see_other(request, f"{form_address}?" + query({"id": result, "saved": "true"}))
        with snapshot() as session:
            try:
                record = kind.get(session, form.get("id", ""))
            except NotFound:
                record = None
            return form_page(request, record, dict(form), result)

    def form_page(
        request: Request,
        record: Record | None,
        values: dict[str, str],
        problem: Problem | None = None,
        saved: bool = False,
        held: int = 0,
        held_filters: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """The form as it was filled in. After a conflict, saving again replaces what is stored."""
        stored = kind.fields(record)
        changes = [
            Change(name.replace("_", " ").capitalize(), text, values.get(name, ""))
            for name, text in stored.items()
            if isinstance(problem, Conflict) and values.get(name, "") != text
        ]
        return page(
            request,
            f"{kind.noun}.html",
            menu,
            problem,
            noun=kind.noun,
            record=record,
            values=dict.fromkeys(("id", *kind.body.model_fields), "") | values,
            seen=tag_of(*stored.values()) if stored else "",
            changes=changes,
            saved=saved,
            held=held,
            held_filters=held_filters,
            **kind.choices(),
        )

    return router


def _require_seen(form: Fields, stored: dict[str, str]) -> None:
    """Raises Conflict if the record is not as it was when the form was opened."""
    seen = form.get("seen", "")
    if not stored and seen:
        raise Conflict("it is not registered any more")
    if stored and not seen:
        raise Conflict(f"{stored['id']!r} is registered already; its entries are below")
    if stored and seen != tag_of(*stored.values()):
        raise Conflict("somebody else has changed it since you opened it; see below")


router = Router()
router.include_router(
    routes_of(
        Kind(
            "customer",
            CUSTOMERS,
            CustomerBody,
            customers.list_customers,
            customers.get_customer,
            customers.get_customer_for_update,
            customers.register_customer,
            defaults={"timezone": "UTC", "payment_terms_days": "30"},
            may_be_empty=frozenset({"phone_region", "payment_terms_days"}),
            choices=lambda: {
                "zones": sorted(available_timezones()),
                "regions": sorted(phonenumbers.SUPPORTED_REGIONS),
            },
        )
    )
)
router.include_router(
    routes_of(
        Kind(
            "product",
            PRODUCTS,
            ProductBody,
            products.list_products,
            products.get_product,
            products.get_product_for_update,
            products.register_product,
            may_be_empty=frozenset({"description"}),
        )
    )
)
