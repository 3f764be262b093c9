"""Simulations: what a month's actions cost now, and would cost on a proposed card."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from common.rating import line, simulation
from common.rating.schemas import Month, ProposedCard
from common.request_model import Id, RequestModel
from services.reports.api.schemas.answer import Answer
from services.reports.api.schemas.totals import Amounts, Totals

MAX_CUSTOMERS = 1_000


class SimulationBody(RequestModel):
    """A card to try on a month's stored actions; for named customers, or as the default card."""

    period: Month
    rate_card: ProposedCard
    customer_id: Id | None = None
    customer_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_CUSTOMERS)] | None = None

    @field_validator("customer_ids")
    @classmethod
    def _only_one_way(cls, ids: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if ids is not None and info.data.get("customer_id") is not None:
            raise PydanticCustomError(
                "ambiguous_customers", "cannot be sent together with customer_id: send one of them"
            )
        return ids

    def customers(self) -> list[tuple[str, str]] | None:
        """The named customers with their pointers; None where none was named."""
        if self.customer_id is not None:
            return [(self.customer_id, "/customer_id")]
        if self.customer_ids is None:
            return None
        return [(name, f"/customer_ids/{place}") for place, name in enumerate(self.customer_ids)]


class RateCardInForce(Answer):
    """The card that prices a customer's month."""

    name: str
    version: int
    is_default: bool


class Comparison(Answer):
    """What is billed now and would be; `difference` is proposed less current."""

    current: Totals
    proposed: Totals
    difference: Amounts

    @classmethod
    def from_totals(cls, current: line.Totals, proposed: line.Totals) -> "Comparison":
        return cls(
            current=Totals.model_validate(current),
            proposed=Totals.model_validate(proposed),
            difference=Amounts.difference(proposed, current),
        )


class SimulatedCustomer(Answer):
    """One customer's month."""

    customer_id: str
    customer_name: str
    rate_card: RateCardInForce = Field(description="The card in force.")
    is_repriced: bool = Field(description="false: stays on a card of their own")
    current: Totals
    proposed: Totals
    difference: Amounts

    @classmethod
    def from_simulated(cls, simulated: simulation.Simulated) -> "SimulatedCustomer":
        return cls(
            customer_id=simulated.customer_id,
            customer_name=simulated.customer_name,
            rate_card=RateCardInForce.model_validate(simulated.rate_card),
            is_repriced=simulated.is_repriced,
            current=Totals.model_validate(simulated.current),
            proposed=Totals.model_validate(simulated.proposed),
            difference=Amounts.difference(simulated.proposed, simulated.current),
        )


class Simulation(Answer):
    """What a proposed card changes, for each customer and in total."""

    period: str
    customers: list[SimulatedCustomer]
    totals: Comparison

    @classmethod
    def from_simulated(cls, period: str, simulated: Iterable[simulation.Simulated]) -> "Simulation":
        current = line.sum_of(customer.current for customer in simulated)
        proposed = line.sum_of(customer.proposed for customer in simulated)
        return cls(
            period=period,
            customers=[SimulatedCustomer.from_simulated(customer) for customer in simulated],
            totals=Comparison.from_totals(current, proposed),
        )
