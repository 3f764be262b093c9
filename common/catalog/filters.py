"""Filters of lists: what one names must be registered.

Invariant: a tenant is told the same of what is another's as of what is not there.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from common import identifiers
from common.catalog.lead_types import lead_types_named
from common.catalog.models import Customer, Product
from common.catalog.products import is_shown
from common.problems import FieldError, Invalid


def require_registered(
    session: Session,
    *,
    customer_id: str | None = None,
    product_id: str | None = None,
    lead_type: str | None = None,
) -> None:
    """Raises Invalid for a customer, product or lead type that is not registered."""
    errors = []
    if customer_id is not None and not _has_customer(session, customer_id):
        errors.append(_unknown("customer_id", "customer"))
    if product_id is not None and not _has_product(session, product_id):
        errors.append(_unknown("product_id", "product"))
    if lead_type is not None and not lead_types_named(session, [lead_type]):
        errors.append(_unknown("lead_type", "lead type"))
    if errors:
        raise Invalid("a filter names what is not registered", errors)


def _has_customer(session: Session, external_id: str) -> bool:
    customer_id = identifiers.customer_id(external_id)
    query = select(Customer.customer_id).where(Customer.customer_id == customer_id)
    return session.execute(query).first() is not None


def _has_product(session: Session, external_id: str) -> bool:
    product_id = identifiers.product_id(external_id)
    query = select(Product.product_id).where(
        Product.product_id == product_id, is_shown(Product.product_id)
    )
    return session.execute(query).first() is not None


def _unknown(name: str, what: str) -> FieldError:
    code = f"unknown_{what.replace(' ', '_')}"
    return FieldError(f"/query/{name}", code, f"no such {what} is registered")
