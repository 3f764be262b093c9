"""POST /leads: takes API Gateway's event and returns its response.

Invariant: a lead answered as stored is committed, a lead answered as queued is on the queue, and no
log line contains personal data.
"""

import base64
import binascii
import gc
from collections import Counter
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic_core import to_json

from common.access.authentication import Principal, authenticator
from common.enums import Role
from common.leads.parsing import Posted, read_leads
from common.leads.results import NO_USER, Result, Status, summary
from common.leads.schemas import Lead
from common.leads.tenancy import reject_foreign
from common.observability.correlation import HEADER, correlated, id_of
from common.observability.metrics import NAMESPACE, Metric, record
from common.problems import (
    PROBLEM_JSON,
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    Internal,
    Invalid,
    MalformedRequest,
    NotFound,
    Problem,
)
from common.settings import Settings
from functions.ingest.storage import store, store_with_circuit_breaker

logger = Logger(service="lead-billing-ingest")
metrics = Metrics(namespace=NAMESPACE, service="lead-billing-ingest")
tracer = Tracer(
    service="lead-billing-ingest",
    # None: traces inside Lambda only; elsewhere nobody begins a segment.
    disabled=None if Settings().trace else True,
    patch_modules=["botocore"],  # not psycopg2: SQLAlchemy needs the real connections
)
app = APIGatewayHttpResolver()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@tracer.capture_lambda_handler(capture_response=False, capture_error=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Stores the posted leads and says what became of each (docs/api.md, POST /leads).

    Takes an HTTP API event (payload format 2.0) and returns its proxy response.
    """
    gateway_id = str(event.get("requestContext", {}).get("requestId", ""))
    correlation_id = id_of(event.get("headers") or {}, gateway_id)
    logger.set_correlation_id(correlation_id)
    with correlated(correlation_id):
        answer = app.resolve(event, context)
    answer.setdefault("headers", {})[HEADER] = correlation_id
    return answer


@app.post("/leads")
def post_leads() -> Response[str]:
    principal = _principal(app.current_event.raw_event)
    posted = read_leads(_body(app.current_event.raw_event), datetime.now(UTC))
    posted = reject_foreign(posted, principal.customer_id)
    results = posted.refused
    if posted.leads:
        results = results + _stored_or_queued(posted.leads)
    _record_results(results)
    return _answer(posted, results)


@tracer.capture_method(capture_response=False, capture_error=False)
def _stored_or_queued(leads: dict[int, Lead]) -> list[Result]:
    queue_url = Settings().queue_url
    if queue_url is None:
        return store(leads, app.lambda_context)
    try:
        return store_with_circuit_breaker(leads, app.lambda_context)
    except DatabaseUnavailable as problem:
        from functions.ingest.spill_queue import enqueue  # noqa: PLC0415 - boto3 takes half a second

        logger.warning("the database is away: the leads are queued", exc_info=problem)
        enqueue(leads.values(), queue_url)
    return [
        Result(index, lead.lead_id, Status.QUEUED, warnings=[] if lead.user else [NO_USER])
        for index, lead in leads.items()
    ]


@app.exception_handler(Problem)  # type: ignore[untyped-decorator]
def refuse(problem: Problem) -> Response[str]:
    return _count_and_answer(problem)


@app.not_found
def no_such_route(_error: NotFoundError) -> Response[str]:
    return _count_and_answer(NotFound("the function answers POST /leads"))


@app.exception_handler(Exception)  # type: ignore[untyped-decorator]
def fail(_error: Exception) -> Response[str]:
    logger.exception("unexpected error")
    return _count_and_answer(Internal("the error was logged"))


def _count_and_answer(problem: Problem) -> Response[str]:
    """Counts a problem that is in no lead's result, and answers with it."""
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        logger.warning("the database is away", exc_info=problem)
    _count(Metric.REFUSED, code=problem.code)
    return _problem_response(problem)


def _problem_response(problem: Problem) -> Response[str]:
    return Response(
        status_code=problem.status,
        content_type=PROBLEM_JSON,
        body=to_json(problem.document(app.current_event.path)).decode(),
        headers=dict(problem.headers),
    )


def _principal(event: dict[str, Any]) -> Principal:
    """Who sends the leads. Raises Unauthenticated, and Forbidden for another role."""
    headers = event.get("headers") or {}
    http = event.get("requestContext", {}).get("http", {})
    principal = authenticator().authenticate(
        headers.get("authorization"), http.get("sourceIp"), headers.get("host")
    )
    if principal.role not in {Role.INGEST, Role.ADMIN}:
        raise Forbidden(
            f"this takes a key with the role admin or ingest; yours is {principal.role}"
        )
    return principal


def _body(event: dict[str, Any]) -> str | bytes:
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise MalformedRequest("the body is not base64, although it is declared so") from None


def _record_results(results: list[Result]) -> None:
    counts = {status: sum(r.status is status for r in results) for status in Status}
    added = sum(result.actions_added for result in results)
    for status, count in counts.items():
        if count:
            _count(Metric(f"Leads{status.capitalize()}"), count)
    _count(Metric.ACTIONS_ADDED, added)
    refused = (r for r in results if r.status in {Status.INVALID, Status.CONFLICT})
    for code, count in Counter(result.errors[0].code for result in refused).items():
        _count(Metric.REFUSED, count, code=code)
    logger.info("leads posted", extra={"leads": counts, "actions_added": added})


def _count(metric: Metric, value: int = 1, **labels: str) -> None:
    metrics.add_metric(name=metric, unit=MetricUnit.Count, value=value)
    for label in labels.values():
        metrics.add_metric(name=f"{metric}.{label}", unit=MetricUnit.Count, value=value)
    record(metric, value, **labels)


def _answer(posted: Posted, results: list[Result]) -> Response[str]:
    body = summary(results, is_array=posted.is_array)
    if not posted.is_array:
        problem = _problem_of(results[0], body)
        if problem is not None:
            return _problem_response(problem)
    return Response(
        status_code=_status_code(posted, results),
        content_type="application/json",
        body=to_json(body).decode(),
    )


def _problem_of(result: Result, body: dict[str, Any]) -> Problem | None:
    if result.status is Status.INVALID:
        return Invalid("the lead was refused", result.errors, extra=body)
    if result.status is Status.CONFLICT:
        detail = "a lead of this id is stored with other attributes"
        return Conflict(detail, result.errors, extra=body)
    return None


def _status_code(posted: Posted, results: list[Result]) -> HTTPStatus:
    statuses = {result.status for result in results}
    if Status.QUEUED in statuses:
        return HTTPStatus.ACCEPTED
    if statuses == {Status.CREATED}:
        return HTTPStatus.CREATED
    if all(status.is_stored for status in statuses):
        return HTTPStatus.OK
    return HTTPStatus.MULTI_STATUS if posted.is_array else HTTPStatus.ACCEPTED


# Freeze imported objects and collect less often: the default thresholds doubled a batch's time.
gc.freeze()
gc.set_threshold(50_000)
