"""Who may call which route: one rule for each.

Invariant: a route that RULES does not name is refused, and the database shows a tenant its own rows
only (common/database/grants.py), whatever a route reads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from common.access.authentication import SENDERS, Principal, authenticator
from common.database.transactions import IDENTITY, RequestIdentity, acting_as
from common.enums import Role
from common.problems import Forbidden
from services.reports.http.budgets import spend
from services.reports.http.sessions import key_of


class Rule(NamedTuple):
    """Roles that may call the route; empty means public."""

    roles: frozenset[Role]


ANYBODY = Rule(frozenset())
READERS = Rule(frozenset({Role.VIEWER, Role.VIEWER_WITH_PEOPLE, Role.ADMIN}))
ADMINS = Rule(frozenset({Role.ADMIN}))

RULES: dict[tuple[str, str], Rule] = {
    # The description of the API holds no data.
    ("GET", "/docs"): ANYBODY,
    ("GET", "/docs/oauth2-redirect"): ANYBODY,
    ("GET", "/health/live"): ANYBODY,
    ("GET", "/health/ready"): ANYBODY,
    # Counts without names; the route itself refuses requests that come through the gateway.
    ("GET", "/metrics"): ANYBODY,
    ("POST", "/leads"): Rule(SENDERS),  # answered by the function, which has the same rule
    ("GET", "/leads"): READERS,
    ("GET", "/leads/{lead_id:id}"): READERS,
    ("POST", "/leads/{lead_id:id}/void"): ADMINS,
    ("GET", "/leads/quarantined"): READERS,
    ("POST", "/leads/quarantined/replay"): ADMINS,
    ("POST", "/leads/quarantined/{quarantine_id:uuid}/replay"): ADMINS,
    ("DELETE", "/leads/quarantined/{quarantine_id:uuid}"): ADMINS,
    ("GET", "/quarantine"): READERS,
    ("POST", "/quarantine/dismiss"): ADMINS,
    ("POST", "/quarantine/replay"): ADMINS,
    ("GET", "/quarantine/{quarantine_id:uuid}"): READERS,
    ("DELETE", "/quarantine/{quarantine_id:uuid}"): ADMINS,
    ("POST", "/quarantine/{quarantine_id:uuid}/replay"): ADMINS,
    ("GET", "/billing/reports"): READERS,
    ("GET", "/billing/reports/{customer_id:id}/{period}"): READERS,
    ("GET", "/billing/reports/{customer_id:id}/{period}/lines"): READERS,
    ("GET", "/billing/reports/{customer_id:id}/{period}/prior-lines"): READERS,
    ("GET", "/billing/reports/{customer_id:id}/{period}/users"): READERS,
    ("GET", "/billing/reports/{customer_id:id}/{period}/leads"): READERS,
    ("GET", "/billing/reports/{customer_id:id}/{period}/verify"): READERS,
    # Public keys, which a partner's own programs fetch.
    ("GET", "/.well-known/jwks.json"): ANYBODY,
    ("GET", "/billing/heads"): READERS,
    ("GET", "/billing/heads/consistency"): READERS,
    ("GET", "/billing/heads/{period}"): READERS,
    ("GET", "/billing/reports/{customer_id:id}/{period}/inclusion"): READERS,
    ("GET", "/billing/reports/{customer_id:id}/{period}/deliveries"): READERS,
    ("POST", "/billing/reports/{customer_id:id}/{period}/deliveries"): ADMINS,
    ("POST", "/billing/periods/{period}/close"): ADMINS,
    ("GET", "/billing/runs"): READERS,
    ("GET", "/billing/reconciliation"): READERS,
    ("GET", "/billing/disputes"): READERS,
    ("POST", "/billing/disputes"): ADMINS,
    ("GET", "/billing/disputes/{dispute_id}"): READERS,
    ("POST", "/billing/disputes/{dispute_id}/accept"): ADMINS,
    ("POST", "/billing/disputes/{dispute_id}/reject"): ADMINS,
    ("POST", "/imports"): Rule(SENDERS),
    ("GET", "/imports/{import_id}"): Rule(SENDERS),
    # The address itself is the secret; a hash of it is kept (common/imports/uploads.py).
    ("PUT", "/imports/{import_id}/file"): ANYBODY,
    ("GET", "/imports/{import_id}/refused.csv"): Rule(SENDERS),
    # Those of the operator are changed by admins only (common/imports/stored_mappings.py).
    ("GET", "/mappings"): Rule(SENDERS),
    ("GET", "/mappings/{name}"): Rule(SENDERS),
    ("PUT", "/mappings/{name}"): Rule(SENDERS),
    ("DELETE", "/mappings/{name}"): Rule(SENDERS),
    ("GET", "/exports"): READERS,
    ("POST", "/exports"): READERS,
    ("GET", "/exports/{export_id}"): READERS,
    ("GET", "/exports/{export_id}/file"): READERS,
    ("GET", "/rate-cards"): READERS,
    ("POST", "/rate-cards"): ADMINS,
    ("POST", "/billing/simulations"): READERS,
    ("GET", "/customers"): READERS,
    ("GET", "/customers/{customer_id:id}"): READERS,
    ("PUT", "/customers/{customer_id:id}"): ADMINS,
    ("POST", "/customers/{customer_id:id}/erasures"): ADMINS,
    ("GET", "/products"): READERS,
    ("GET", "/products/{product_id:id}"): READERS,
    ("PUT", "/products/{product_id:id}"): ADMINS,
    ("GET", "/lead-types"): READERS,
    ("GET", "/keys"): ADMINS,
    ("POST", "/keys"): ADMINS,
    ("POST", "/keys/{key_id}/rotate"): ADMINS,
    ("POST", "/keys/{key_id}/revoke"): ADMINS,
    # A customer's viewer changes its own webhooks; see changing_own.
    ("GET", "/webhooks"): READERS,
    ("POST", "/webhooks"): READERS,
    ("GET", "/webhooks/{webhook_id}"): READERS,
    ("DELETE", "/webhooks/{webhook_id}"): READERS,
    ("POST", "/webhooks/{webhook_id}/rotate"): READERS,
    ("POST", "/webhooks/{webhook_id}/disable"): READERS,
    ("POST", "/webhooks/{webhook_id}/enable"): READERS,
    ("GET", "/webhooks/{webhook_id}/deliveries"): READERS,
    ("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"): READERS,
    ("GET", "/audit"): ADMINS,
    # The console's pages.
    ("GET", "/"): READERS,
    ("GET", "/console/sign-in"): ANYBODY,
    ("POST", "/console/sign-in"): ANYBODY,
    ("POST", "/console/sign-out"): ANYBODY,
    ("GET", "/console/keys"): ADMINS,
    ("POST", "/console/keys"): ADMINS,
    ("GET", "/console/webhooks"): READERS,
    ("POST", "/console/webhooks"): READERS,
    ("GET", "/console/webhook"): READERS,
    ("POST", "/console/webhook"): READERS,
    ("GET", "/console/audit"): ADMINS,
    ("GET", "/console/reports"): READERS,
    ("GET", "/console/report-users"): READERS,
    ("GET", "/console/report-leads"): READERS,
    ("GET", "/console/statement"): READERS,
    ("GET", "/console/statement/progress"): READERS,
    ("GET", "/console/search"): READERS,
    ("GET", "/console/person"): READERS,
    ("GET", "/console/leads"): READERS,
    ("GET", "/console/lead"): READERS,
    ("POST", "/console/person"): ADMINS,
    ("GET", "/console/void"): ADMINS,
    ("POST", "/console/void"): ADMINS,
    ("GET", "/console/imports"): ADMINS,
    ("POST", "/console/imports"): ADMINS,
    ("GET", "/console/exports"): READERS,
    ("POST", "/console/exports"): READERS,
    ("GET", "/console/quarantine"): READERS,
    ("POST", "/console/quarantine"): ADMINS,
    ("GET", "/console/disputes"): READERS,
    ("GET", "/console/dispute"): READERS,
    ("POST", "/console/dispute"): ADMINS,
    ("GET", "/console/new-dispute"): ADMINS,
    ("POST", "/console/new-dispute"): ADMINS,
    ("POST", "/console/delivery"): ADMINS,
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

    From here on the request acts as that principal, and costs its key what it costs. Raises
    Unauthenticated, Forbidden and TooManyRequests.
    """
    rule = RULES.get((request.method, request.scope["route"].path))
    if rule is ANYBODY:
        return None
    principal = await run_in_threadpool(_principal, request)
    if rule is None:
        raise Forbidden("no rule says who may use this address")
    request.state.principal = principal  # pages that refuse name it too
    spend(request, principal)
    principal.require_role(rule.roles)
    IDENTITY.set(RequestIdentity(principal.actor, principal.customer_id, principal.sees_people))
    return principal


def principal_of(request: Request) -> Principal:
    """Who a request acts as, on a route that is not public."""
    principal: Principal = request.state.principal
    return principal


@contextmanager
def changing_own(request: Request) -> Iterator[UUID | None]:
    """For what a customer's own key may change: gives the customer that the change is limited to.

    The database lets a customer's key write nothing, so the block acts without that limit, and must
    keep to the given customer itself. Raises Forbidden for a viewer of all customers.
    """
    principal = principal_of(request)
    if principal.customer_id is None:
        principal.require_role(ADMINS.roles)
    with acting_as(principal.actor):
        yield principal.customer_id


def _principal(request: Request) -> Principal:
    authorization = request.headers.get("authorization")
    if authorization is None:
        key_id = key_of(request)
        if key_id is not None:
            return authenticator().authenticate_session(key_id)
    address = request.client and request.client.host
    return authenticator().authenticate(authorization, address, request.headers.get("host"))
