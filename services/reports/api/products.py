"""/products."""

from fastapi import APIRouter, Response

from common.catalog import products
from common.request_model import Id
from services.reports.api.dependencies import Cursor, PageSize, Snapshot, Transaction
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.api.schemas.products import Product, ProductBody, ProductList

router = APIRouter(prefix="/products", tags=["products"])


@router.get("")
def list_products(session: Snapshot, limit: PageSize = 50, cursor: Cursor = None) -> ProductList:
    """The products, by id."""
    after = None if cursor is None else from_cursor(cursor, str)
    page, last = cut_page(products.list_products(session, after, limit + 1), limit)
    return ProductList(
        data=[Product.from_stored(product) for product in page],
        next_cursor=last and to_cursor(last.external_id),
    )


@router.put("/{product_id:id}", responses={201: {"model": Product}})
def put_product(
    session: Transaction, product_id: Id, body: ProductBody, response: Response
) -> Product:
    """Registers a product or changes it."""
    product, is_new = products.register_product(session, product_id, body.name, body.description)
    response.status_code = 201 if is_new else 200
    return Product.from_stored(product)
