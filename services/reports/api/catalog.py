"""/customers and /products."""

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from common.catalog import customers, products
from common.catalog.customers import register_customer
from common.catalog.products import register_product
from common.leads.erasure import erase_user
from common.leads.schemas import MAX_USER_TEXT_LENGTH
from common.request_model import MAX_TEXT_LENGTH, NO_NUL
from common.settings import settings
from services.reports.api.dependencies import Cursor, Id, PageSize, Snapshot, Text, Transaction
from services.reports.api.documents import customer_document, product_document
from services.reports.api.pagination import from_cursor, to_cursor
from services.reports.api.schemas import (
    CustomerListShape,
    CustomerShape,
    ErasureShape,
    ProductListShape,
    ProductShape,
)

router = APIRouter(tags=["catalog"])

Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=MAX_TEXT_LENGTH, pattern=NO_NUL
    ),
]
Zone = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]


class CustomerBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    email: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True,
            max_length=MAX_USER_TEXT_LENGTH,
            pattern=r"^[^@\s\x00]+@[^@\s\x00]+$",
        ),
    ]
    timezone: (
        Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)] | None
    ) = None


class ProductBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    description: Annotated[str, StringConstraints(max_length=10_000, pattern=NO_NUL)] | None = None


@router.get("/customers", response_model=None, responses={200: {"model": CustomerListShape}})
def list_customers(
    connection: Snapshot, limit: PageSize = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """The customers, by id."""
    after = None if cursor is None else from_cursor(cursor, str)
    found = customers.list_customers(connection, after, limit + 1)
    return {
        "data": [customer_document(each) for each in found[:limit]],
        "next_cursor": to_cursor(found[limit - 1].external_id) if len(found) > limit else None,
    }


@router.put(
    "/customers/{customer_id:id}",
    response_model=None,
    responses={200: {"model": CustomerShape}, 201: {"model": CustomerShape}},
)
def put_customer(
    connection: Transaction, customer_id: Id, body: CustomerBody, response: Response
) -> dict[str, Any]:
    """Registers a customer or changes it. Without `timezone` a new one is billed in UTC."""
    customer, is_new = register_customer(
        connection, customer_id, body.name, body.email, body.timezone
    )
    response.status_code = 201 if is_new else 200
    return customer_document(customer)


class ErasureBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user: Annotated[Text, Field(description="Email, phone number, external id or user key.")]


@router.post(
    "/customers/{customer_id:id}/erasures",
    response_model=None,
    responses={200: {"model": ErasureShape}},
)
def erase(connection: Transaction, customer_id: Id, body: ErasureBody) -> dict[str, Any]:
    """Takes a user out of a customer's leads; every total, decision and hash stays.

    What remains is the keyed hash the user is billed under: a later lead of theirs still counts as
    a repeat, and is stored without them too.
    """
    return erase_user(connection, customer_id, body.user, settings()).document()


@router.get("/products", response_model=None, responses={200: {"model": ProductListShape}})
def list_products(
    connection: Snapshot, limit: PageSize = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """The products, by id."""
    after = None if cursor is None else from_cursor(cursor, str)
    found = products.list_products(connection, after, limit + 1)
    return {
        "data": [product_document(each) for each in found[:limit]],
        "next_cursor": to_cursor(found[limit - 1].external_id) if len(found) > limit else None,
    }


@router.put(
    "/products/{product_id:id}",
    response_model=None,
    responses={200: {"model": ProductShape}, 201: {"model": ProductShape}},
)
def put_product(
    connection: Transaction, product_id: Id, body: ProductBody, response: Response
) -> dict[str, Any]:
    """Registers a product or changes it."""
    product, is_new = register_product(connection, product_id, body.name, body.description)
    response.status_code = 201 if is_new else 200
    return product_document(product)
