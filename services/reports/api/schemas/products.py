"""Products."""

from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from common.catalog import models
from common.request_model import NO_NUL, Name, RequestModel
from services.reports.api.schemas.answer import Answer, Page


class ProductBody(RequestModel):
    """A product to register or to change."""

    name: Name
    description: Annotated[str, StringConstraints(max_length=10_000, pattern=NO_NUL)] | None = None


class Product(Answer):
    """What a lead is interested in."""

    product_id: str
    name: str
    description: str | None
    created_at: datetime

    @classmethod
    def from_stored(cls, stored: models.Product) -> "Product":
        return cls(
            product_id=stored.external_id,
            name=stored.name,
            description=stored.description,
            created_at=stored.created_at,
        )


class ProductList(Page[Product]):
    """A page of products, by id."""
