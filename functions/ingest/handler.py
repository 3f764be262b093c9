"""POST /leads: takes API Gateway's event and returns its response.

Invariant: a lead answered as stored is committed, a lead answered as queued is on the queue, and no
log line contains personal data.
"""

import gc
from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic_core import to_json

from common.access.authentication import SENDERS, Principal, authenticator
from common.database.errors import cause_of
from common.leads.parsing import Posted, read_leads, read_lines
from common.leads.results import NO_USER, STORED, Result, Status, summary
from common.leads.schemas import KeyedLead
from common.observability.correlation import HEADER, correlated, id_of
from common.observability.metrics import NAMESPACE, Metric, record
from common.problems import (
    PROBLEM_JSON,
    Conflict,
    DatabaseUnavailable,
    Internal,
    Invalid,
    MalformedRequest,
    NotFound,
    Problem,
)
from common.query_parameters import require_known
from common.settings import Settings
from functions.ingest.bodies import body_of, has_lines
from functions.ingest.storage import known_settings, store, store_with_circuit_breaker

logger = Logger(service="lead-billing-ingest")
metrics = Metrics(namespace=NAMESPACE, service="lead-billing-ingest")
_FOR_ITS_CALLER = {
    "Cache-Control": "private, no-store",
    "Vary": "Accept, Authorization, Cookie",
}
_METRICS = {status: Metric(status.metric) for status in Status}
_BYTES_PER_UNIT = 100_000
# The headers that say what the event left of the budget of its key.
_budget_headers: ContextVar[dict[str, str]] = ContextVar("budget_headers")


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Stores the posted leads and says what became of each (docs/api.md, POST /leads).

    Takes an HTTP API event (payload format 2.0) and returns its proxy response.
    """
    correlation_id = _correlation_id(event, context)
    logger.set_correlation_id(correlation_id)
    _budget_headers.set({})
    with correlated(correlation_id):
        answer = _answer(event, context)
    answer["headers"] |= {HEADER: correlation_id, **_budget_headers.get()}
    return answer


def _correlation_id(event: dict[str, Any], context: LambdaContext) -> str:
    try:
        _require_http_event(event)
    except MalformedRequest:
        return id_of({}, context.aws_request_id)
    return id_of(event.get("headers") or {}, str(event["requestContext"].get("requestId", "")))


def _require_http_event(event: dict[str, Any]) -> None:
    """Raises MalformedRequest unless it is an event of an HTTP API in payload format 2.0."""
    request = event.get("requestContext")
    if not isinstance(request, dict) or not isinstance(request.get("http"), dict):
        raise MalformedRequest("the function takes an HTTP API's events, payload format 2.0")
    headers = event.get("headers")
    if not isinstance(headers, dict) or not all(map(_is_text, headers.values())):
        raise MalformedRequest("the headers are not an object of texts")
    if not _is_text(event.get("rawQueryString") or ""):
        raise MalformedRequest("the query is not text")
    if not _is_text(event.get("body") or ""):
        raise MalformedRequest("the body is not text")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _answer(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    try:
        _require_http_event(event)
        method = event["requestContext"]["http"].get("method")
        if (method, event.get("rawPath")) != ("POST", "/leads"):
            raise NotFound("the function answers POST /leads")
        return _post_leads(event, context)
    except Problem as problem:
        return _count_and_answer(problem, event)
    except Exception:
        logger.exception("unexpected error")
        return _count_and_answer(Internal("the error was logged"), event)


def _post_leads(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    posted, current = _read(event)
    results = posted.refused
    if posted.leads:
        results = results + _stored_or_queued(posted.leads, current, context)
    _record_results(results)
    body = summary(results, is_array=posted.is_array)
    if not posted.is_array and results and (problem := _problem_of(results[0], body)):
        return _problem_response(problem, event)
    return _response(_status_code(posted, results), "application/json", body)


def _read(event: dict[str, Any]) -> tuple[Posted, Settings]:
    """The leads of a request, and the settings that they were read by."""
    query = parse_qsl(event.get("rawQueryString") or "", keep_blank_values=True)
    if any(name == "mapping" for name, _ in query):
        return _read_webhook(event, query)
    principal = _principal(event)
    if query:
        require_known([name for name, _ in query], ())
    current = known_settings()
    read = read_lines if has_lines(event) else read_leads
    return read(body_of(event), datetime.now(UTC), current, principal.customer_id), current


def _read_webhook(event: dict[str, Any], query: list[tuple[str, str]]) -> tuple[Posted, Settings]:
    from functions.ingest import webhooks  # noqa: PLC0415 - most instances never see one

    current, body, sender = known_settings(), None, None
    if "authorization" not in (event.get("headers") or {}):
        body = body_of(event)
        sender = webhooks.principal_by_google_key(body, current)
    principal = sender or _principal(event)
    require_known([name for name, _ in query], ("mapping",))
    if body is None:
        body = body_of(event)
    name, now = dict(query)["mapping"], datetime.now(UTC)
    return webhooks.read_mapped_leads(body, name, principal, current, now), current


def _stored_or_queued(
    leads: dict[int, KeyedLead], current: Settings, context: LambdaContext
) -> list[Result]:
    if current.queue_url is None:
        return store(leads, current, context)
    try:
        return store_with_circuit_breaker(leads, current, context)
    except DatabaseUnavailable as problem:
        from functions.ingest.spill_queue import enqueue  # noqa: PLC0415 - boto3 takes half a second

        told = {"reason": problem.detail, "cause": cause_of(problem)}
        logger.warning("the database is away: the leads are queued", extra=told)
        enqueue((keyed.lead for keyed in leads.values()), current.queue_url)
    return [
        Result(index, lead.lead_id, Status.QUEUED, warnings=[] if lead.user else [NO_USER])
        for index, (lead, _) in leads.items()
    ]


def _count_and_answer(problem: Problem, event: dict[str, Any]) -> dict[str, Any]:
    """For a problem that is in no lead's result."""
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        told = {"reason": problem.detail, "cause": cause_of(problem)}
        logger.warning("the database is away", extra=told)
    _count(Metric.REFUSED, code=problem.code)
    return _problem_response(problem, event)


def _problem_response(problem: Problem, event: dict[str, Any]) -> dict[str, Any]:
    document = problem.document(str(event.get("rawPath", "")))
    return _response(problem.status, PROBLEM_JSON, document, problem.headers)


def _response(
    status: int,
    content_type: str,
    document: dict[str, Any],
    headers: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    return {
        "statusCode": int(status),
        "headers": {"Content-Type": content_type, **_FOR_ITS_CALLER, **headers},
        "body": to_json(document).decode(),
        "isBase64Encoded": False,
    }


def _principal(event: dict[str, Any]) -> Principal:
    """Who sends the leads. Raises Unauthenticated, TooManyRequests, and Forbidden for another role.

    What the request costs its key goes by the size of its body.
    """
    headers, http = event.get("headers") or {}, event.get("requestContext", {}).get("http", {})
    principal = authenticator().authenticate(
        headers.get("authorization"), http.get("sourceIp"), headers.get("host")
    )
    units = 1 + len(event.get("body") or "") // _BYTES_PER_UNIT
    budget_headers, refusal = authenticator().spend(principal, units)
    _budget_headers.set(budget_headers)
    if refusal is not None:
        raise refusal
    principal.require_role(SENDERS)
    return principal


def _record_results(results: list[Result]) -> None:
    counts = Counter(result.status for result in results)
    added = sum(result.actions_added for result in results)
    for status, count in counts.items():
        _count(_METRICS[status], count)
    _count(Metric.ACTIONS_ADDED, added)
    refused = (r for r in results if r.status in {Status.INVALID, Status.CONFLICT})
    for code, count in Counter(result.errors[0].code for result in refused).items():
        _count(Metric.REFUSED, count, code=code)
    told = {status.value: counts[status] for status in Status}
    logger.info("leads posted", extra={"leads": told, "actions_added": added})


def _count(metric: Metric, value: int = 1, **labels: str) -> None:
    metrics.add_metric(name=metric, unit=MetricUnit.Count, value=value)
    for label in labels.values():
        metrics.add_metric(name=f"{metric}.{label}", unit=MetricUnit.Count, value=value)
    record(metric, value, **labels)


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
    if statuses <= STORED:
        return HTTPStatus.OK
    return HTTPStatus.MULTI_STATUS if posted.is_array else HTTPStatus.ACCEPTED


if Settings().trace:  # a tracer that is disabled would still make its segments for each request
    tracer = Tracer(
        service="lead-billing-ingest",
        patch_modules=["botocore"],  # not psycopg2: SQLAlchemy needs the real connections
    )
    as_subsegment = tracer.capture_method(capture_response=False, capture_error=False)
    _stored_or_queued = as_subsegment(_stored_or_queued)
    handler = tracer.capture_lambda_handler(handler, capture_response=False, capture_error=False)

# Freeze imported objects and collect less often: the default thresholds doubled a batch's time.
gc.freeze()
gc.set_threshold(50_000)
