"""Products."""

from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from common.request_model import NO_NUL, Name, RequestModel
from services.reports.api.schemas.answer import Answer, Page, of


class ProductBody(RequestModel):
    """A product to register or to change."""

    name: Name
    description: Annotated[str, StringConstraints(max_length=10_000, pattern=NO_NUL)] | None = None


class Product(Answer):
    """What a lead is interested in."""

    product_id: str = of("external_id")
    name: str
    description: str | None
    created_at: datetime


class ProductList(Page[Product]):
    """A page of products, by id."""
