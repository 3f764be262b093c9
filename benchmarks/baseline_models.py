"""The baseline's tables, and the bodies of its requests and answers."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import JSON, DateTime, ForeignKey, Numeric
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012 (SQLAlchemy's form)


class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    timezone: Mapped[str]


class Product(Base):
    __tablename__ = "products"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Lead(Base):
    __tablename__ = "leads"

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    product_id: Mapped[str] = mapped_column(ForeignKey("products.id"))
    lead_type: Mapped[str]
    user: Mapped[str | None]
    created_at: Mapped[datetime]

    actions: Mapped[list["Action"]] = relationship(back_populates="lead")


class Action(Base):
    __tablename__ = "actions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    lead_id: Mapped[str] = mapped_column(ForeignKey("leads.id"), index=True)
    action_type: Mapped[str]
    engagement_level: Mapped[str]
    timestamp: Mapped[datetime] = mapped_column(index=True)

    lead: Mapped[Lead] = relationship(back_populates="actions")


class QuarantinedLead(Base):
    __tablename__ = "quarantined_leads"

    id: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str]
    lead: Mapped[dict[str, Any]] = mapped_column(JSON)


class Price(Base):
    __tablename__ = "prices"

    engagement_level: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(10, 2))


class UserIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: str | None = None
    phone: str | None = None
    external_id: str | None = None

    @model_validator(mode="after")
    def has_identifier(self) -> "UserIn":
        if not (self.email or self.phone or self.external_id):
            raise ValueError("needs at least one of email, phone and external_id")
        return self

    @property
    def key(self) -> str:
        if self.email:
            return f"email:{self.email.strip().lower()}"
        if self.phone:
            return "phone:" + "".join(char for char in self.phone if char.isdigit() or char == "+")
        return f"external_id:{(self.external_id or '').strip()}"


class ActionIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action_type: str = Field(min_length=1, max_length=200)
    timestamp: AwareDatetime
    engagement_level: Literal["High", "Medium", "Low"]

    @model_validator(mode="before")
    @classmethod
    def capitalise_level(cls, action: Any) -> Any:
        if isinstance(action, dict) and isinstance(action.get("engagement_level"), str):
            return action | {"engagement_level": action["engagement_level"].capitalize()}
        return action


class LeadIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    lead_id: str = Field(min_length=1, max_length=128)
    customer_id: str = Field(min_length=1, max_length=128)
    product_id: str = Field(min_length=1, max_length=128)
    lead_type: str
    created_at: AwareDatetime
    actions: list[ActionIn] = Field(max_length=1000)
    user: UserIn | None = None


class ResultOut(BaseModel):
    index: int
    lead_id: str | None
    status: str
    actions_added: int = 0
    errors: list[str] = []


class ResultsOut(BaseModel):
    results: list[ResultOut]


class TotalsOut(BaseModel):
    currency: str = "USD"
    gross: Decimal
    billed: Decimal
    duplicate_savings: Decimal
    cap_savings: Decimal
    leads: int
    actions: int


class EntryOut(BaseModel):
    customer_id: str
    period: str
    totals: TotalsOut


class LineOut(BaseModel):
    action_id: uuid.UUID
    lead_id: str
    product_id: str
    lead_type: str
    user: str | None
    action_type: str
    engagement_level: str
    timestamp: datetime
    gross: Decimal
    billed: Decimal
    duplicate_saving: Decimal
    cap_saving: Decimal
    duplicate_of: uuid.UUID | None


class ReportOut(EntryOut):
    lines: list[LineOut]
