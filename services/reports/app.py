"""The reporting service: everything but POST /leads.

Invariant: every error is answered in one place, by a problem document or, for a browser, by a page
that says the same.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from importlib.resources import files
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from mangum import Mangum
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Match

from common.leads.parsing import MAX_ERRORS_PER_LEAD
from common.leads.validation_errors import field_error
from common.observability.metrics import sinks
from common.problems import (
    PROBLEM_JSON,
    Internal,
    Invalid,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    TooLarge,
    Unauthenticated,
)
from common.settings import Settings
from common.version import VERSION
from services.reports import console
from services.reports.api import (
    audit,
    billing_runs,
    customers,
    deliveries,
    disputes,
    exports,
    heads,
    health,
    imports,
    keys,
    lead_types,
    leads,
    mappings,
    metrics,
    products,
    quarantine,
    rate_cards,
    reconciliation,
    reports,
    simulations,
    voiding,
    webhooks,
)
from services.reports.api.metrics import keep_for_prometheus
from services.reports.api.openapi import describe, name_of
from services.reports.api.schemas.problems import Problem as ProblemAnswer
from services.reports.catching_up import catching_up
from services.reports.console.pages import page, see_other
from services.reports.http.admission import UnitsUnderWay, admitted
from services.reports.http.answer_limit import AnswerLimit
from services.reports.http.body_limit import BodyLimit
from services.reports.http.budgets import BudgetHeaders
from services.reports.http.conditional import ConditionalAnswers
from services.reports.http.content_negotiation import prefers_page
from services.reports.http.head_requests import HeadRequests
from services.reports.http.idempotency import (
    AnsweredBefore,
    KeptAnswers,
    answer_again,
    claimed,
    release_claim,
)
from services.reports.http.request_logging import (
    SERVICE,
    Observed,
    reporting_gauges,
    write_to_cloudwatch,
)
from services.reports.http.routes import entered
from services.reports.http.security import DOCS, Parameters, SafeHeaders
from services.reports.http.sessions import RenewedSessions, had_session
from services.reports.http.tracing import Tracing
from services.reports.render.templates import query
from services.reports.worker import working

logger = logging.getLogger("lead_billing.reports")

_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")

sinks.append(keep_for_prometheus)
if Settings().cloudwatch_metrics:
    sinks.append(write_to_cloudwatch)


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    seconds = Settings().catch_up_seconds
    with (
        reporting_gauges() if Settings().cloudwatch_metrics else nullcontext(),
        catching_up(seconds) if seconds else nullcontext(),
        working() if Settings().background_work else nullcontext(),
    ):
        yield


app = FastAPIOffline(  # its /docs loads no file of another site
    title="Lead Billing Engine",
    version=VERSION,
    description="Leads in, reports out that a partner can check to the cent.",
    docs_url=DOCS,
    redoc_url=None,
    generate_unique_id_function=name_of,
    lifespan=_lifespan,
    dependencies=[
        Depends(entered),
        Depends(admitted, scope="function"),
        Depends(claimed),
    ],
    responses={"default": {"model": ProblemAnswer}},
)
for routes in (
    console,
    health,
    metrics,
    heads,  # before reports, too
    deliveries,  # before reports, whose customer id may be any text
    reports,
    billing_runs,
    reconciliation,
    disputes,
    rate_cards,
    simulations,
    quarantine,  # before leads, whose ids may be any text
    voiding,
    leads,
    imports,
    mappings,
    exports,
    customers,
    products,
    lead_types,
    keys,
    webhooks,
    audit,
):
    app.include_router(routes.router)
app.mount("/static", StaticFiles(directory=str(files("services.reports.console") / "static")))

app.add_middleware(KeptAnswers)
app.add_middleware(ConditionalAnswers)
app.add_middleware(BodyLimit)
app.add_middleware(Parameters)
app.add_middleware(SafeHeaders)
app.add_middleware(RenewedSessions)
app.add_middleware(UnitsUnderWay)
app.add_middleware(BudgetHeaders)
app.openapi = partial(describe, app)  # type: ignore[method-assign]

app.exception_handler(AnsweredBefore)(answer_again)

lambda_handler = Mangum(app, lifespan="off")


@app.exception_handler(Problem)
def refuse(request: Request, problem: Problem) -> Response:
    """Answers with the problem document, or for a browser with a page that says the same."""
    if problem.status >= Problem.status and not isinstance(problem, Internal):
        request.state.problem = problem  # the request's line in the log says why
    if prefers_page(request):
        if isinstance(problem, Unauthenticated) and request.method == "GET":
            address = request.scope["path"].lstrip("/")
            if request.url.query:
                address += f"?{request.url.query}"
            where = {"next": address} | ({"ended": "true"} if had_session(request) else {})
            return see_other(request, "console/sign-in?" + query(where))
        answer = page(request, "error.html", "", problem)
        answer.headers.update(problem.headers)
        return answer
    return JSONResponse(
        problem.document(request.url.path),
        status_code=problem.status,
        media_type=PROBLEM_JSON,
        headers=dict(problem.headers),
    )


@app.exception_handler(RequestValidationError)
def refuse_request(request: Request, error: RequestValidationError) -> Response:
    release_claim(request)
    details = error.errors()[:MAX_ERRORS_PER_LEAD]
    errors = [field_error(_without_body(detail)) for detail in details]
    return refuse(request, Invalid("a parameter or field was refused", errors))


@app.exception_handler(HTTPException)
def refuse_route(request: Request, error: HTTPException) -> Response:
    if error.status_code == MethodNotAllowed.status:
        allowed = _allowed_at(request)
        response = refuse(request, MethodNotAllowed(f"allowed here: {allowed}"))
        response.headers["Allow"] = allowed
        return response
    if error.status_code == NotFound.status:
        return refuse(request, NotFound("nothing is at this address"))
    kind = TooLarge if error.status_code == TooLarge.status else MalformedRequest
    return refuse(request, kind(str(error.detail)))


@app.exception_handler(Exception)
def fail(request: Request, error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error)
    return refuse(request, Internal("the error was logged"))


# The innermost one: what stands in place of a large answer is kept for a key as any answer is.
app.user_middleware.append(Middleware(AnswerLimit, refuse=refuse))
# The outermost middleware: what the others refuse is logged and counted too.
app.add_middleware(Observed, on_error=fail, tracing=Tracing(SERVICE) if Settings().trace else None)
app.add_middleware(HeadRequests)  # it logs nothing, and GET is what is logged


def _allowed_at(request: Request) -> str:
    """Every method of this path, including the function's."""

    def answers(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in app.routes)

    methods = {method for method in _METHODS if answers(method)} or {"GET"}  # of a file
    methods |= {"HEAD"} if "GET" in methods else set()
    return ", ".join(sorted(methods | ({"POST"} if request.url.path == "/leads" else set())))


def _without_body(detail: dict[str, Any]) -> Any:
    location = detail["loc"]
    return detail | {"loc": location[1:] if location[0] == "body" else location}
