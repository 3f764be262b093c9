"""/products."""

from functools import partial

from fastapi import Response

from common.catalog import products
from common.request_model import Id
from services.reports.api.dependencies import Cursor, PageSize, Snapshot, Transaction
from services.reports.api.pagination import PRODUCTS
from services.reports.api.schemas.products import Product, ProductBody, ProductList
from services.reports.http.routes import Router

router = Router(prefix="/products", tags=["products"])


@router.get("")
def list_products(session: Snapshot, limit: PageSize = 50, cursor: Cursor = None) -> ProductList:
    """The products, by id."""
    return PRODUCTS.answer(ProductList, partial(products.list_products, session), cursor, limit)


@router.get("/{product_id:id}")
def show_product(session: Snapshot, product_id: Id) -> Product:
    """One product."""
    return Product.model_validate(products.get_shown_product(session, product_id))


@router.put("/{product_id:id}", responses={201: {"model": Product}})
def put_product(
    session: Transaction, product_id: Id, body: ProductBody, response: Response
) -> Product:
    """Registers a product or changes it."""
    product, is_new = products.register_product(session, product_id, body.name, body.description)
    response.status_code = 201 if is_new else 200
    return Product.model_validate(product)
