"""Speaking to the API in tests: leads to post, and answers held against their schemas."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
from pydantic import BaseModel

from common.problems import PROBLEM_JSON
from services.reports.api.schemas import (
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
    problems,
    products,
    quarantine,
    rate_cards,
    reconciliation,
    reports,
    simulations,
    verification,
    webhooks,
)

PROJECT = Path(__file__).resolve().parents[2]
JSON = {"content-type": "application/json"}
Wire = dict[str, Any]

_SCHEMAS: list[tuple[str, str, type[BaseModel]]] = [
    ("POST", r"/leads", leads.IngestionSummary),
    ("POST", r"/leads/quarantined/.+/replay", leads.IngestionResult),
    ("GET", r"/leads", leads.LeadList),
    ("GET", r"/(leads/quarantined|quarantine)", quarantine.QuarantineList),
    ("GET", r"/quarantine/.+", quarantine.QuarantinedLead),
    ("POST", r"/(leads/quarantined|quarantine)/replay", quarantine.Replay),
    ("POST", r"/quarantine/.+/replay", leads.IngestionResult),
    ("GET", r"/leads/.+", leads.RatedLead),
    ("POST", r"/leads/.+/void", leads.RatedLead),
    ("POST", r"/billing/periods/.+/close", billing_runs.BillingRun),
    ("GET", r"/billing/runs", billing_runs.RunList),
    ("GET", r"/billing/reconciliation", reconciliation.Reconciliation),
    ("GET", r"/billing/disputes", disputes.DisputeList),
    ("POST", r"/billing/disputes", disputes.Dispute),
    ("GET", r"/billing/disputes/[^/]+", disputes.Dispute),
    ("POST", r"/billing/disputes/[^/]+/(accept|reject)", disputes.Dispute),
    ("GET", r"/billing/reports", reports.ReportList),
    ("GET", r"/.well-known/jwks.json", heads.SigningKeys),
    ("GET", r"/billing/heads", heads.HeadList),
    ("GET", r"/billing/heads/consistency", heads.Consistency),
    ("GET", r"/billing/heads/[^/]+", heads.Head),
    ("GET", r"/billing/reports/.+/inclusion", heads.Inclusion),
    ("GET", r"/billing/reports/.+/deliveries", deliveries.StatementDeliveryList),
    ("POST", r"/billing/reports/.+/deliveries", deliveries.StatementDelivery),
    ("GET", r"/billing/reports/.+/verify", verification.Verification),
    ("GET", r"/billing/reports/.+/lines", reports.LinePage),
    ("GET", r"/billing/reports/.+/prior-lines", reports.PriorLinePage),
    ("GET", r"/billing/reports/.+/users", reports.UserPage),
    ("GET", r"/billing/reports/.+/leads", reports.LeadPage),
    ("GET", r"/billing/reports/.+", reports.Report),
    ("PUT", r"/customers/.+", customers.Customer),
    ("GET", r"/customers/.+", customers.Customer),
    ("GET", r"/customers", customers.CustomerList),
    ("PUT", r"/products/.+", products.Product),
    ("GET", r"/products/.+", products.Product),
    ("GET", r"/lead-types", lead_types.LeadTypeList),
    ("GET", r"/products", products.ProductList),
    ("GET", r"/imports/[^/]+", imports.Import),
    ("GET", r"/mappings", mappings.MappingList),
    ("GET", r"/mappings/.+", mappings.StoredMapping),
    ("PUT", r"/mappings/.+", mappings.StoredMapping),
    ("GET", r"/exports", exports.ExportList),
    ("POST", r"/exports", exports.Export),
    ("GET", r"/exports/[^/]+", exports.Export),
    ("GET", r"/rate-cards", rate_cards.RateCardList),
    ("POST", r"/rate-cards", rate_cards.RateCard),
    ("POST", r"/billing/simulations", simulations.Simulation),
    ("GET", r"/keys", keys.KeyList),
    ("POST", r"/keys", keys.NewKey),
    ("POST", r"/keys/.+/rotate", keys.NewKey),
    ("POST", r"/keys/.+/revoke", keys.Key),
    ("GET", r"/webhooks", webhooks.WebhookList),
    ("POST", r"/webhooks", webhooks.NewWebhook),
    ("GET", r"/webhooks/[^/]+", webhooks.Webhook),
    ("POST", r"/webhooks/[^/]+/rotate", webhooks.NewWebhook),
    ("POST", r"/webhooks/[^/]+/(enable|disable)", webhooks.Webhook),
    ("GET", r"/webhooks/[^/]+/deliveries", webhooks.DeliveryList),
    ("POST", r"/webhooks/[^/]+/deliveries/[^/]+/redeliver", webhooks.Delivery),
    ("GET", r"/audit", audit.AuditList),
    ("GET", r"/health/live", health.Live),
    ("GET", r"/health/ready", health.Ready),
]


GATEWAY_TOO_LARGE = (413, b'{"message":"Request Entity Too Large"}')


def check_shape(answer: httpx.Response) -> None:
    """Demands of an answer what the contract says of every answer of its kind."""
    answer.read()
    path = unquote(answer.request.url.raw_path.decode().partition("?")[0])
    if answer.headers.get("content-type", "").startswith("text/html"):
        return
    if (answer.status_code, answer.content) == GATEWAY_TOO_LARGE:
        return  # the gateway knows no problem documents
    if answer.status_code >= 400:
        check_problem(answer.status_code, answer.headers, answer.json(), path)
    elif answer.headers.get("content-type") == "application/json":
        if path == "/leads/quarantined" and "customer_id" in answer.request.url.params:
            path = "/leads/the-one-called-quarantined"
        if answer.status_code == 303 and path.startswith("/billing/reports/"):
            exports.ExportInstead.model_validate_json(answer.content, strict=False)
            return
        for method, pattern, schema in _SCHEMAS:
            if method == answer.request.method and re.fullmatch(pattern, path, re.DOTALL):
                schema.model_validate_json(answer.content, strict=False)
                return


def check_problem(status: int, headers: Any, document: Any, path: str) -> None:
    """Demands a problem document (RFC 9457) that fits its answer."""
    assert headers["content-type"] == PROBLEM_JSON
    problem = problems.Problem.model_validate(document)
    assert problem.status == status
    assert problem.type.startswith("urn:lead-billing:problem:")
    assert problem.title
    assert problem.detail
    assert unquote(problem.instance) == path
    names = {name.lower() for name in headers}
    is_busy = any(error.code == "idempotency_key_in_use" for error in problem.errors or ())
    assert (status in {429, 503} or is_busy) == ("retry-after" in names)
    assert (status == 401) == ("www-authenticate" in names)
    assert all(error.pointer == "" or error.pointer.startswith("/") for error in problem.errors)


def action(
    action_type: str = "Form Submission",
    timestamp: str = "2024-04-01T10:05:00Z",
    engagement_level: str = "High",
) -> Wire:
    return {
        "action_type": action_type,
        "timestamp": timestamp,
        "engagement_level": engagement_level,
    }


def lead(lead_id: str = "lead-1", *actions: Wire, **members: Any) -> Wire:
    """A valid lead of acme for the product abc, as it is posted."""
    return {
        "lead_id": lead_id,
        "customer_id": "acme",
        "product_id": "abc",
        "lead_type": "Website Visit",
        "created_at": "2024-04-01T09:55:00Z",
        "actions": list(actions),
        "user": {"email": f"{lead_id[:40].strip() or 'x'}@people.test"},
    } | members


def without(wire: Wire, name: str) -> Wire:
    return {key: value for key, value in wire.items() if key != name}


def path_of(*parts: str) -> str:
    """A path with whatever its parts hold percent-encoded."""
    quoted = ("%2E" if part == "." else quote(part, safe="") for part in parts)
    return "".join(f"/{part}" for part in quoted).replace("/..", "/%2E%2E")


def register(client: httpx.Client, *, customers: Wire | None = None, products: str = "abc") -> None:
    """Registers customers with their zones (acme in UTC unless given) and products."""
    for number, (name, zone) in enumerate((customers or {"acme": "UTC"}).items()):
        body = {"name": f"The {name}", "email": f"billing{number}@partner.test", "timezone": zone}
        client.put(path_of("customers", name), json=body).raise_for_status()
    for name in products.split():
        client.put(path_of("products", name), json={"name": name}).raise_for_status()


def post(client: httpx.Client, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/leads", content=content, headers=JSON)


def statuses(answer: httpx.Response) -> list[str]:
    return [result["status"] for result in answer.json()["results"]]


def refusals(answer: httpx.Response) -> list[tuple[str, str]]:
    """Pointer and code of every refused field."""
    results = answer.json()["results"]
    return [(error["pointer"], error["code"]) for result in results for error in result["errors"]]


def report(client: httpx.Client, customer: str, period: str) -> Any:
    answer = client.get(path_of("billing", "reports", customer, period))
    answer.raise_for_status()
    return answer.json()


def amounts(totals: Wire) -> tuple[str, str, str, str]:
    """Gross, billed, duplicate saving, cap saving."""
    savings = totals["savings"]
    return totals["gross"], totals["billed"], savings["duplicate"], savings["cap"]
