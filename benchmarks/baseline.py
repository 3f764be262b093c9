"""What the product is measured against: a plain FastAPI and ORM service with the same rules.

As one would write it in an afternoon: it selects before it inserts, each item of a batch has a
savepoint so that it stands alone, and a bill is a loop in Python. No speed is held back on
purpose: its columns are indexed, a batch is one transaction, rows are read in pieces.
"""

import os
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import Depends, FastAPI, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import JSON, DateTime, ForeignKey, Numeric, case, create_engine, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    contains_eager,
    mapped_column,
    relationship,
    selectinload,
)

LEAD_TYPES = {
    "Website Visit",
    "Social Media",
    "Email Campaign",
    "Referral",
    "Webinar",
    "Event",
    "Demo Request",
    "Trade Show",
    "Conference",
    "Newsletter",
    "Feedback",
}
PRICES = {"High": Decimal("10.00"), "Medium": Decimal("5.00"), "Low": Decimal("2.00")}
CAP = Decimal("100.00")
NOTHING = Decimal("0.00")
LEVEL_ORDER = {"High": 0, "Medium": 1, "Low": 2}


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
    def names_someone(self) -> "UserIn":
        if not (self.email or self.phone or self.external_id):
            raise ValueError("needs at least one of email, phone and external_id")
        return self

    @property
    def key(self) -> str:
        if self.email:
            return f"email:{self.email.strip().lower()}"
        if self.phone:
            return "phone:" + "".join(sign for sign in self.phone if sign.isdigit() or sign == "+")
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


app = FastAPI()
engine = create_engine(os.environ.get("DATABASE_URL", "postgresql+psycopg2://"))


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


DatabaseSession = Annotated[Session, Depends(get_session)]


@app.post("/leads")
def post_leads(body: dict[str, Any] | list[Any], session: DatabaseSession) -> ResultsOut:
    items = body if isinstance(body, list) else [body]
    if not 0 < len(items) <= 1000:
        raise HTTPException(413, "from 1 to 1,000 leads a request")
    results = []
    for index, item in enumerate(items):
        try:
            lead = LeadIn.model_validate(item)
        except ValidationError as error:
            errors = [detail["msg"] for detail in error.errors()]
            results.append(ResultOut(index=index, lead_id=None, status="invalid", errors=errors))
            continue
        try:
            with session.begin_nested():
                status, added = store_lead(session, lead)
        except IntegrityError:  # another request stored it between our select and our insert
            status, added = "conflict", 0
        results.append(
            ResultOut(index=index, lead_id=lead.lead_id, status=status, actions_added=added)
        )
    session.commit()
    return ResultsOut(results=results)


def store_lead(session: Session, posted: LeadIn) -> tuple[str, int]:
    if posted.lead_type not in LEAD_TYPES:
        return "invalid", 0
    for kind, model, identifier in (
        ("customer", Customer, posted.customer_id),
        ("product", Product, posted.product_id),
    ):
        if session.get(model, identifier) is None:
            held = posted.model_dump(mode="json")
            session.add(QuarantinedLead(reason=f"unknown_{kind}", lead=held))
            return "quarantined", 0
    lead = session.get(Lead, posted.lead_id, options=[selectinload(Lead.actions)])
    user = posted.user.key if posted.user else None
    if lead is None:
        session.add(
            Lead(
                id=posted.lead_id,
                customer_id=posted.customer_id,
                product_id=posted.product_id,
                lead_type=posted.lead_type,
                user=user,
                created_at=posted.created_at,
                actions=[Action(**action.model_dump()) for action in posted.actions],
            )
        )
        return "created", len(posted.actions)
    stored = (lead.customer_id, lead.product_id, lead.lead_type, lead.user, lead.created_at)
    sent = (posted.customer_id, posted.product_id, posted.lead_type, user, posted.created_at)
    if stored != sent:
        return "conflict", 0
    known = Counter(
        (folded(action.action_type), action.timestamp, action.engagement_level)
        for action in lead.actions
    )
    added = 0
    for action in posted.actions:
        same = (folded(action.action_type), action.timestamp, action.engagement_level)
        if known[same]:
            known[same] -= 1
        else:
            lead.actions.append(Action(**action.model_dump()))
            added += 1
    return ("updated" if added else "unchanged"), added


@app.get("/billing/reports")
def list_reports(period: str, session: DatabaseSession) -> list[EntryOut]:
    entries = []
    for customer in session.scalars(select(Customer).order_by(Customer.id)).all():
        totals, _ = bill(session, customer, period, keep_lines=False)
        if totals.actions:
            entries.append(EntryOut(customer_id=customer.id, period=period, totals=totals))
    return entries


@app.get("/billing/reports/{customer_id}/{period}")
def show_report(customer_id: str, period: str, session: DatabaseSession) -> ReportOut:
    customer = session.get(Customer, customer_id)
    if customer is None:
        raise HTTPException(404, "no such customer")
    totals, lines = bill(session, customer, period, keep_lines=True)
    return ReportOut(customer_id=customer_id, period=period, totals=totals, lines=lines)


def bill(
    session: Session, customer: Customer, period: str, *, keep_lines: bool
) -> tuple[TotalsOut, list[LineOut]]:
    zone = ZoneInfo(customer.timezone)
    year, month = map(int, period.split("-"))
    start = datetime(year, month, 1, tzinfo=zone).astimezone(UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone).astimezone(UTC)
    prices = {price.engagement_level: price.amount for price in session.scalars(select(Price))}
    actions = session.scalars(
        select(Action)
        .join(Action.lead)
        .where(Lead.customer_id == customer.id, Action.timestamp >= start, Action.timestamp < end)
        .options(contains_eager(Action.lead))
        .order_by(
            Action.timestamp,
            Lead.created_at,
            Lead.id,
            func.lower(Action.action_type),
            case(LEVEL_ORDER, value=Action.engagement_level),
        )
        .execution_options(yield_per=1000)
    )
    seen: dict[tuple[object, ...], uuid.UUID] = {}
    used: dict[str | None, Decimal] = {}
    leads: set[str] = set()
    lines: list[LineOut] = []
    gross = billed = duplicates = capped = NOTHING
    count = 0
    for action in actions:
        lead = action.lead
        price = prices[action.engagement_level]
        key = (
            lead.user,
            lead.product_id,
            folded(action.action_type),
            action.engagement_level,
        )
        repeated = seen.setdefault(key, action.id)
        if repeated != action.id:
            charge, duplicate_saving, cap_saving = NOTHING, price, NOTHING
        else:
            before = used.get(lead.user, NOTHING)
            charge = min(price, CAP - before)
            used[lead.user] = before + charge
            duplicate_saving, cap_saving = NOTHING, price - charge
        count += 1
        leads.add(lead.id)
        gross += price
        billed += charge
        duplicates += duplicate_saving
        capped += cap_saving
        if keep_lines:
            lines.append(
                LineOut(
                    action_id=action.id,
                    lead_id=lead.id,
                    product_id=lead.product_id,
                    lead_type=lead.lead_type,
                    user=lead.user,
                    action_type=action.action_type,
                    engagement_level=action.engagement_level,
                    timestamp=action.timestamp,
                    gross=price,
                    billed=charge,
                    duplicate_saving=duplicate_saving,
                    cap_saving=cap_saving,
                    duplicate_of=repeated if repeated != action.id else None,
                )
            )
    totals = TotalsOut(
        gross=gross,
        billed=billed,
        duplicate_savings=duplicates,
        cap_savings=capped,
        leads=len(leads),
        actions=count,
    )
    return totals, lines


def folded(action_type: str) -> str:
    return " ".join(action_type.split()).casefold()


def create_tables() -> None:
    """Its tables and its prices, in the database of DATABASE_URL."""
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add_all(Price(engagement_level=level, amount=PRICES[level]) for level in PRICES)
