"""/console/webhooks: the webhooks; /console/webhook: one of them, with its deliveries."""

from datetime import datetime
from functools import partial
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from common.database.transactions import snapshot
from common.enums import Role
from common.events import deliveries, webhooks
from common.events.deliveries import DeliveryStatus, status_of
from common.events.event_types import EventType
from common.problems import MalformedRequest, Problem
from common.settings import settings
from services.reports.api.dependencies import Cursor, Now, Snapshot
from services.reports.api.pagination import DELIVERIES, WEBHOOKS
from services.reports.api.schemas.webhooks import WebhookBody
from services.reports.console.forms import Form, attempted, parsed
from services.reports.console.pages import list_page, see_other
from services.reports.http.authorization import changing_own, principal_of
from services.reports.http.routes import Router
from services.reports.render.templates import query

router = Router()

ENTRIES_A_PAGE = 100


@router.get("/console/webhooks", response_class=HTMLResponse)
def list_webhooks(request: Request, session: Snapshot, cursor: Cursor = None) -> HTMLResponse:
    return _webhooks_page(request, session, cursor)


@router.post("/console/webhooks", response_class=HTMLResponse)
def create_webhook(request: Request, form: Form) -> Response:
    """Creates a webhook. Its secret is shown in this answer only."""
    with changing_own(request) as owner:
        result: str | Problem
        try:
            values = {"url": form.get("url"), "events": form.getlist("events")}
            customer = form.get("customer_id") or None
            body = parsed(WebhookBody, values | {"customer_id": customer})
            _, result = webhooks.create_webhook(
                body.url,
                body.events,
                customer=body.customer_id,
                owner=owner,
                settings=settings(),
            )
        except Problem as problem:
            result = problem
    with snapshot() as session:
        if isinstance(result, Problem):
            return _webhooks_page(request, session, entered=form, problem=result)
        answer = _webhooks_page(request, session, new_secret=result)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@router.get("/console/webhook", response_class=HTMLResponse)
def show_webhook(
    request: Request,
    session: Snapshot,
    now: Now,
    id: UUID,
    status: DeliveryStatus | None = None,
    cursor: Cursor = None,
) -> HTMLResponse:
    return _webhook_page(request, session, now, id, status=status, cursor=cursor)


@router.post("/console/webhook", response_class=HTMLResponse)
def change_webhook(request: Request, form: Form, now: Now, id: UUID) -> Response:
    """Rotates the secret, disables, enables or deletes a webhook, or sends an event again."""
    do = form.get("do", "")
    with changing_own(request) as owner:

        def change(session: Session) -> str | None:
            match do:
                case "rotate":
                    return webhooks.rotate_secret(session, id, owner, settings())[1]
                case "disable":
                    webhooks.disable_webhook(session, id, owner)
                case "enable":
                    webhooks.enable_webhook(session, id, owner)
                case "delete":
                    webhooks.delete_webhook(session, id, owner)
                case "redeliver":
                    delivery_id = _uuid(form.get("delivery_id", ""))
                    deliveries.redeliver(session, id, delivery_id, owner)
                case _:
                    raise MalformedRequest("the form does not say what to do")
            return None

        result = attempted(change)
    if isinstance(result, Problem) or do == "rotate":
        with snapshot() as session:
            if isinstance(result, Problem):
                return _webhook_page(request, session, now, id, problem=result)
            answer = _webhook_page(request, session, now, id, new_secret=result)
        answer.headers["Cache-Control"] = "no-store"
        return answer
    if do == "delete":
        return see_other(request, "console/webhooks")
    return see_other(request, "console/webhook?" + query({"id": str(id)}))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise MalformedRequest("the delivery's id is no UUID") from None


def _webhooks_page(
    request: Request,
    session: Session,
    cursor: str | None = None,
    entered: Form | None = None,
    new_secret: str | None = None,
    problem: Problem | None = None,
) -> HTMLResponse:
    find = partial(webhooks.list_webhooks, session, principal_of(request).customer_id)
    return list_page(
        request,
        "webhooks.html",
        "Webhooks",
        WEBHOOKS.page(find, cursor, ENTRIES_A_PAGE),
        problem=problem,
        may_manage=_may_manage(request),
        may_choose_customer=principal_of(request).customer_id is None,
        events=list(EventType),
        entered=dict(entered or {}),
        chosen_events=entered.getlist("events") if entered else [],
        new_secret=new_secret,
    )


def _webhook_page(
    request: Request,
    session: Session,
    now: datetime,
    webhook_id: UUID,
    *,
    status: DeliveryStatus | None = None,
    cursor: str | None = None,
    new_secret: str | None = None,
    problem: Problem | None = None,
) -> HTMLResponse:
    owner = principal_of(request).customer_id
    webhook = webhooks.get_webhook(session, webhook_id, owner)
    find = partial(deliveries.list_deliveries, session, webhook_id, owner, status=status)
    return list_page(
        request,
        "webhook.html",
        "Webhooks",
        DELIVERIES.page(find, cursor, ENTRIES_A_PAGE, (webhook_id, status)),
        filters=("status",),
        problem=problem,
        may_manage=_may_manage(request),
        webhook=webhook,
        status_of=status_of,
        statuses=list(DeliveryStatus),
        now=now,
        new_secret=new_secret,
    )


def _may_manage(request: Request) -> bool:
    principal = principal_of(request)
    return principal.role is Role.ADMIN or principal.customer_id is not None
