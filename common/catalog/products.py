"""Products: what a lead is interested in.

Invariant: registering a product again under the same id changes it and never adds a second one.
"""

from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, column, select, table, text, true, union
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from common import identifiers
from common.audit_log import record_change
from common.catalog.models import Product
from common.database.transactions import tenant
from common.problems import NotFound

# What the catalog knows of the packages above it.
_LEADS, _RATES = (
    table(name, column("customer_id"), column("product_id"))
    for name in ("leads", "rate_card_rates")
)


def register_product(
    session: Session, external_id: str, name: str, description: str | None
) -> tuple[Product, bool]:
    """Adds a product or changes it; says whether it is new."""
    product_id = identifiers.product_id(external_id)
    values = {"name": name, "description": description}
    before = _audited(get_product_for_update(session, external_id))
    statement = (
        insert(Product)
        .values(product_id=product_id, external_id=external_id, **values)
        .on_conflict_do_update(index_elements=[Product.product_id], set_=values)
        .returning(text("xmax = 0"))
    )
    is_new = session.execute(statement).scalar_one()
    stored = session.get_one(Product, product_id, populate_existing=True)
    action = "created" if is_new else "changed"
    record_change(
        session, action, "product", stored.external_id, before=before, after=_audited(stored)
    )
    return stored, is_new


def _audited(product: Product | None) -> dict[str, Any] | None:
    if product is None:
        return None
    columns = ("external_id", "name", "description")
    return {column: getattr(product, column) for column in columns}


def get_product(session: Session, external_id: str) -> Product:
    """The product of that id, as it was sent or as our UUID. Raises NotFound."""
    found = session.get(Product, identifiers.product_id(external_id))
    if found is None:
        raise NotFound(f"no product {external_id!r} is registered")
    return found


def get_product_for_update(session: Session, external_id: str) -> Product | None:
    """The product of that id, locked until the transaction ends; None if there is none."""
    return session.get(Product, identifiers.product_id(external_id), with_for_update=True)


def is_shown(product_id: SQLColumnExpression[Any]) -> ColumnElement[bool]:
    """Whether a request may show a product: a tenant is shown those of its leads and prices."""
    owner = tenant()
    if owner is None:
        return true()
    of_tenant = (
        select(source.c.product_id).where(source.c.customer_id == owner)
        for source in (_LEADS, _RATES)
    )
    return product_id.in_(union(*of_tenant))


def get_shown_product(session: Session, external_id: str) -> Product:
    """The product of that id, if the request may show it. Raises NotFound."""
    query = select(Product).where(
        Product.product_id == identifiers.product_id(external_id), is_shown(Product.product_id)
    )
    found = session.scalars(query).first()
    if found is None:
        raise NotFound(f"no product {external_id!r} is registered")
    return found


def list_products(session: Session, after: str | None, limit: int) -> list[Product]:
    """At most `limit` products by id, after `after`."""
    query = (
        select(Product)
        .where(is_shown(Product.product_id))
        .order_by(Product.external_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Product.external_id > after)
    return list(session.scalars(query))
