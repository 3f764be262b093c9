"""The baseline that the product is compared with: a plain FastAPI and ORM service, same rules.

It is an afternoon's work: it selects before it inserts, each lead of a batch has a savepoint so
that it can fail alone, and a loop in Python computes the bill. It is not slow on purpose: its
columns have indexes, a batch is one transaction, and it reads rows in pieces.
"""

import os
import socket
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from pydantic import ValidationError
from sqlalchemy import Engine, case, create_engine, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, contains_eager, selectinload

from benchmarks.baseline_models import (
    Action,
    Base,
    Customer,
    EntryOut,
    Lead,
    LeadIn,
    LineOut,
    Price,
    Product,
    QuarantinedLead,
    ReportOut,
    ResultOut,
    ResultsOut,
    TotalsOut,
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
        raise HTTPException(413, "a request has 1 to 1,000 leads")
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
        except IntegrityError:  # another request stored the lead after our select
            status, added = "conflict", 0
        results.append(
            ResultOut(index=index, lead_id=lead.lead_id, status=status, actions_added=added)
        )
    session.commit()
    return ResultsOut(results=results)


def store_lead(session: Session, posted: LeadIn) -> tuple[str, int]:
    if posted.lead_type not in LEAD_TYPES:
        return "invalid", 0
    for noun, model, identifier in (
        ("customer", Customer, posted.customer_id),
        ("product", Product, posted.product_id),
    ):
        if session.get(model, identifier) is None:
            payload = posted.model_dump(mode="json")
            session.add(QuarantinedLead(reason=f"unknown_{noun}", lead=payload))
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
        (fold(action.action_type), action.timestamp, action.engagement_level)
        for action in lead.actions
    )
    added = 0
    for action in posted.actions:
        key = (fold(action.action_type), action.timestamp, action.engagement_level)
        if known[key]:
            known[key] -= 1
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
        raise HTTPException(404, "unknown customer")
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
    originals: dict[tuple[object, ...], uuid.UUID] = {}
    charged: dict[str | None, Decimal] = {}
    leads: set[str] = set()
    lines: list[LineOut] = []
    gross = billed = duplicates = capped = NOTHING
    count = 0
    for action in actions:
        lead = action.lead
        price = prices[action.engagement_level]
        key = (lead.user, lead.product_id, fold(action.action_type), action.engagement_level)
        original = originals.setdefault(key, action.id)
        if original != action.id:
            charge, duplicate_saving, cap_saving = NOTHING, price, NOTHING
        else:
            before = charged.get(lead.user, NOTHING)
            charge = min(price, CAP - before)
            charged[lead.user] = before + charge
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
                    duplicate_of=original if original != action.id else None,
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


def fold(action_type: str) -> str:
    return " ".join(action_type.split()).casefold()


def create_tables(database: Engine) -> None:
    """Create the tables and the prices."""
    Base.metadata.create_all(database)
    with Session(database) as session, session.begin():
        session.add_all(Price(engagement_level=level, amount=PRICES[level]) for level in PRICES)


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"ready http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listener])
