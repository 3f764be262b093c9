"""Who may call which route: one rule for each.

Invariant: a route that RULES does not name is refused, and the database shows a tenant its own rows
only (common/database/grants.py), whatever a route reads.
"""

from typing import NamedTuple

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from common.access.authentication import Principal, authenticator
from common.database.transactions import IDENTITY, RequestIdentity
from common.enums import Role
from common.problems import Forbidden
from services.reports.http.sessions import key_of


class Rule(NamedTuple):
    """Roles that may call the route; empty means public."""

    roles: frozenset[Role]


ANYBODY = Rule(frozenset())
SENDERS = Rule(frozenset({Role.INGEST, Role.ADMIN}))
READERS = Rule(frozenset({Role.VIEWER, Role.ADMIN}))
ADMINS = Rule(frozenset({Role.ADMIN}))

RULES: dict[tuple[str, str], Rule] = {
    # The description of the API holds no data.
    ("GET", "/docs"): ANYBODY,
    ("GET", "/docs/oauth2-redirect"): ANYBODY,
    ("GET", "/health/live"): ANYBODY,
    ("GET", "/health/ready"): ANYBODY,
    # Counts without names; the route itself refuses requests that come through the gateway.
    ("GET", "/metrics"): ANYBODY,
    ("POST", "/leads"): SENDERS,  # answered by the function, which has the same rule
    ("GET", "/leads"): READERS,
    ("GET", "/leads/{lead_id:id}"): READERS,
    ("GET", "/leads/quarantined"): READERS,
    ("POST", "/leads/quarantined/{quarantine_id}/replay"): ADMINS,
    ("GET", "/billing/reports"): READERS,
    ("GET", "/billing/reports/{customer_id:id}/{period}"): READERS,
    ("GET", "/billing/reports/{customer_id:path}/{period}/verify"): READERS,
    ("POST", "/billing/periods/{period}/close"): ADMINS,
    ("GET", "/billing/runs"): READERS,
    ("GET", "/billing/reconciliation"): READERS,
    ("GET", "/billing/disputes"): READERS,
    ("POST", "/billing/disputes"): ADMINS,
    ("GET", "/billing/disputes/{dispute_id}"): READERS,
    ("POST", "/billing/disputes/{dispute_id}/accept"): ADMINS,
    ("POST", "/billing/disputes/{dispute_id}/reject"): ADMINS,
    ("GET", "/rate-cards"): READERS,
    ("POST", "/rate-cards"): ADMINS,
    ("POST", "/billing/simulations"): READERS,
    ("GET", "/customers"): READERS,
    ("PUT", "/customers/{customer_id:id}"): ADMINS,
    ("POST", "/customers/{customer_id:id}/erasures"): ADMINS,
    ("GET", "/products"): READERS,
    ("PUT", "/products/{product_id:id}"): ADMINS,
    ("GET", "/keys"): ADMINS,
    ("POST", "/keys"): ADMINS,
    ("POST", "/keys/{key_id}/rotate"): ADMINS,
    ("POST", "/keys/{key_id}/revoke"): ADMINS,
    ("GET", "/audit"): ADMINS,
    # The console's pages.
    ("GET", "/"): READERS,
    ("GET", "/console/sign-in"): ANYBODY,
    ("POST", "/console/sign-in"): ANYBODY,
    ("POST", "/console/sign-out"): ANYBODY,
    ("GET", "/console/keys"): ADMINS,
    ("POST", "/console/keys"): ADMINS,
    ("GET", "/console/audit"): ADMINS,
    ("GET", "/console/reports"): READERS,
    ("GET", "/console/statement"): READERS,
    ("GET", "/console/statement/progress"): READERS,
    ("GET", "/console/leads"): READERS,
    ("GET", "/console/lead"): READERS,
    ("GET", "/console/quarantine"): READERS,
    ("POST", "/console/quarantine"): ADMINS,
    ("GET", "/console/disputes"): READERS,
    ("GET", "/console/dispute"): READERS,
    ("POST", "/console/dispute"): ADMINS,
    ("GET", "/console/new-dispute"): ADMINS,
    ("POST", "/console/new-dispute"): ADMINS,
    ("GET", "/console/close"): ADMINS,
    ("POST", "/console/close"): ADMINS,
    ("GET", "/console/run"): READERS,
    ("GET", "/console/runs"): READERS,
    ("GET", "/console/customers"): READERS,
    ("GET", "/console/customer"): ADMINS,
    ("POST", "/console/customer"): ADMINS,
    ("GET", "/console/products"): READERS,
    ("GET", "/console/product"): ADMINS,
    ("POST", "/console/product"): ADMINS,
    ("GET", "/console/rate-cards"): READERS,
    ("GET", "/console/rate-card"): READERS,
    ("GET", "/console/rate-card-editor"): ADMINS,
    ("POST", "/console/rate-card-editor"): ADMINS,
}


async def authorized(request: Request) -> Principal | None:
    """The principal, if the route's rule allows it; None on a public route.

    From here on the request acts as that principal. Raises Unauthenticated and Forbidden.
    """
    rule = RULES.get((request.method, request.scope["route"].path))
    if rule is ANYBODY:
        return None
    principal = await run_in_threadpool(_principal, request)
    if rule is None:
        raise Forbidden("no rule says who may use this address")
    request.state.principal = principal  # pages that refuse name it too
    if principal.role not in rule.roles:
        allowed = " or ".join(sorted(rule.roles))
        raise Forbidden(f"this takes a key with the role {allowed}; yours is {principal.role}")
    IDENTITY.set(RequestIdentity(principal.actor, principal.customer_id))
    return principal


def principal_of(request: Request) -> Principal:
    """Who a request acts as, on a route that is not public."""
    principal: Principal = request.state.principal
    return principal


def _principal(request: Request) -> Principal:
    authorization = request.headers.get("authorization")
    if authorization is None:
        key_id = key_of(request)
        if key_id is not None:
            return authenticator().authenticate_session(key_id)
    address = request.client and request.client.host
    return authenticator().authenticate(authorization, address, request.headers.get("host"))
