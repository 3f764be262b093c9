"""/console/person: one user of a customer, with what each of their actions cost over the months."""

from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.database.transactions import snapshot
from common.disputes.search import disputes_of_leads
from common.identifiers import canonical_uuid
from common.leads.erasure import erase_user
from common.leads.search import LeadFilter, find_leads
from common.problems import FieldError, Invalid, NotFound, Problem
from common.rating.line import Totals, total_of
from common.reports.lead_history import LineOnReport, lines_of_leads
from common.request_model import Id
from common.settings import settings
from services.reports.api.dependencies import Snapshot
from services.reports.console.catalog import IdBody
from services.reports.console.forms import Form, attempted, parsed
from services.reports.console.pages import page, see_other
from services.reports.http.routes import Router
from services.reports.render.templates import query

router = Router()

LEADS_SHOWN = 50


class MonthOfPerson(NamedTuple):
    """What a user's actions of one month came to. Amounts in cents."""

    period: Period
    lines: list[LineOnReport]
    totals: Totals

    @property
    def caps_each_product(self) -> bool:
        return self.lines[0].line.caps_each_product

    @property
    def cap_limit_cents(self) -> int:
        return self.lines[0].line.cap_limit_cents

    @property
    def cap_used_cents(self) -> int:
        return max(each.line.cap_used_after_cents for each in self.lines)


@router.get("/console/person", response_class=HTMLResponse)
def show_person(request: Request, session: Snapshot, customer_id: Id, user: UUID) -> HTMLResponse:
    """The newest leads of a user, by the key they are billed under, month by month."""
    return _person_page(request, session, customer_id, user)


@router.post("/console/person", response_class=HTMLResponse)
def erase_person(request: Request, form: Form) -> Response:
    """Erases the user, as POST /customers/{customer_id}/erasures does."""
    customer_id, user = form.get("customer_id", ""), form.get("user", "")

    def erase(session: Session) -> str:
        parsed(IdBody, {"id": customer_id})
        if form.get("confirmed") != "true":
            error = FieldError("/confirmed", "not_confirmed", "must be ticked")
            raise Invalid("confirm that it cannot be undone", [error])
        erase_user(session, customer_id, user, settings())
        return query({"customer_id": customer_id, "user": user})

    result = attempted(erase)
    if isinstance(result, str):
        return see_other(request, f"console/person?{result}")
    key = canonical_uuid(user)
    if key is None:
        raise result
    with snapshot() as session:
        return _person_page(request, session, customer_id, key, result)


def _person_page(
    request: Request,
    session: Session,
    customer_id: str,
    user: UUID,
    problem: Problem | None = None,
) -> HTMLResponse:
    filters = LeadFilter(customer_id=customer_id, user=str(user))
    found = find_leads(session, filters, settings().user_secret, None, LEADS_SHOWN + 1)
    leads = [each.lead for each in found if each.lead.user_key == user]
    if not leads:
        raise NotFound(f"customer {customer_id!r} has no lead of that user")
    shown = leads[:LEADS_SHOWN]
    lines = sorted(
        lines_of_leads(session, shown),
        key=lambda each: (each.line.period, each.line.timestamp),
        reverse=True,
    )
    months = [
        MonthOfPerson(Period(start), of_month := list(each), total_of(x.line for x in of_month))
        for start, each in groupby(lines, lambda each: each.line.period)
    ]
    owner = shown[0].customer_id
    return page(
        request,
        "person.html",
        "Leads",
        problem,
        person=shown[0],
        customer=shown[0].customer,
        leads=shown,
        has_more=len(leads) > LEADS_SHOWN,
        leads_shown=LEADS_SHOWN,
        months=months,
        totals=total_of(each.line for each in lines),
        disputes=disputes_of_leads(session, owner, [lead.lead_id for lead in shown]),
    )
