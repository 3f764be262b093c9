"""The cases run twice: on the oracle, which needs nothing, and on the product with its SQL."""

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.spec.billing import Billing
from tests.spec.on_the_oracle import OracleBilling

if TYPE_CHECKING:
    from tests.spec.with_sql import ProductBilling


@pytest.fixture(params=["on_the_oracle", "with_sql"])
def billing(request: pytest.FixtureRequest) -> Billing:
    """Bills the leads of acme, who is in UTC, for the products abc and xyz on the default card."""
    if request.param == "on_the_oracle":
        return OracleBilling()
    made: Billing = request.getfixturevalue("_product")
    return made


@pytest.fixture(params=["with_sql"])
def product(_product: "ProductBilling") -> "ProductBilling":
    """The same on the product alone, for what the oracle does not know."""
    return _product


@pytest.fixture
def _product(gateway: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> "ProductBilling":
    # Here, since the oracle's cases are to start at once.
    from tests.support import adapter  # noqa: F401, I001, PLC0415
    from tests.spec.with_sql import ProductBilling  # noqa: PLC0415

    return ProductBilling(gateway, monkeypatch)
