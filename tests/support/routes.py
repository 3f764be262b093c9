"""Who may call each route, written out: what the service says of itself is held against this.

A new route is added here by hand, with the roles that it is meant for.
"""

from common.enums import Role

_ROUTES = """
anybody:
    PUT /imports/{import_id}/file
    GET /docs
    GET /docs/oauth2-redirect
    GET /health/live
    GET /health/ready
    GET /metrics
    GET /.well-known/jwks.json
    GET /console/sign-in
    POST /console/sign-in
    POST /console/sign-out
admin ingest:
    POST /leads
    POST /imports
    GET /imports/{import_id}
    GET /imports/{import_id}/refused.csv
    GET /mappings
    GET /mappings/{name}
    PUT /mappings/{name}
    DELETE /mappings/{name}
admin viewer viewer+people:
    GET /leads
    GET /leads/{lead_id:id}
    GET /leads/quarantined
    GET /quarantine
    GET /quarantine/{quarantine_id:uuid}
    GET /billing/reports
    GET /billing/reports/{customer_id:id}/{period}
    GET /billing/reports/{customer_id:id}/{period}/lines
    GET /billing/reports/{customer_id:id}/{period}/prior-lines
    GET /billing/reports/{customer_id:id}/{period}/users
    GET /billing/reports/{customer_id:id}/{period}/leads
    GET /billing/reports/{customer_id:id}/{period}/verify
    GET /billing/reports/{customer_id:id}/{period}/deliveries
    GET /billing/runs
    GET /billing/reconciliation
    GET /billing/heads
    GET /billing/heads/consistency
    GET /billing/heads/{period}
    GET /billing/reports/{customer_id:id}/{period}/inclusion
    GET /billing/disputes
    GET /billing/disputes/{dispute_id}
    GET /exports
    POST /exports
    GET /exports/{export_id}
    GET /exports/{export_id}/file
    GET /rate-cards
    POST /billing/simulations
    GET /customers
    GET /customers/{customer_id:id}
    GET /products
    GET /products/{product_id:id}
    GET /lead-types
    GET /webhooks
    POST /webhooks
    GET /webhooks/{webhook_id}
    DELETE /webhooks/{webhook_id}
    POST /webhooks/{webhook_id}/rotate
    POST /webhooks/{webhook_id}/disable
    POST /webhooks/{webhook_id}/enable
    GET /webhooks/{webhook_id}/deliveries
    POST /webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver
    GET /
    GET /console/webhooks
    POST /console/webhooks
    GET /console/webhook
    POST /console/webhook
    GET /console/search
    GET /console/person
    GET /console/reports
    GET /console/report-users
    GET /console/report-leads
    GET /console/statement
    GET /console/statement/progress
    GET /console/leads
    GET /console/lead
    GET /console/exports
    POST /console/exports
    GET /console/quarantine
    GET /console/disputes
    GET /console/dispute
    GET /console/run
    GET /console/runs
    GET /console/customers
    GET /console/products
    GET /console/rate-cards
    GET /console/rate-card
admin:
    POST /leads/{lead_id:id}/void
    POST /leads/quarantined/replay
    POST /leads/quarantined/{quarantine_id:uuid}/replay
    DELETE /leads/quarantined/{quarantine_id:uuid}
    POST /quarantine/dismiss
    POST /quarantine/replay
    DELETE /quarantine/{quarantine_id:uuid}
    POST /quarantine/{quarantine_id:uuid}/replay
    POST /billing/reports/{customer_id:id}/{period}/deliveries
    POST /billing/periods/{period}/close
    POST /billing/disputes
    POST /billing/disputes/{dispute_id}/accept
    POST /billing/disputes/{dispute_id}/reject
    POST /rate-cards
    PUT /customers/{customer_id:id}
    POST /customers/{customer_id:id}/erasures
    PUT /products/{product_id:id}
    GET /keys
    POST /keys
    POST /keys/{key_id}/rotate
    POST /keys/{key_id}/revoke
    GET /audit
    GET /console/keys
    POST /console/keys
    GET /console/audit
    POST /console/person
    GET /console/void
    POST /console/void
    GET /console/imports
    POST /console/imports
    POST /console/quarantine
    POST /console/dispute
    GET /console/new-dispute
    POST /console/new-dispute
    POST /console/delivery
    GET /console/close
    POST /console/close
    GET /console/customer
    POST /console/customer
    GET /console/product
    POST /console/product
    GET /console/rate-card-editor
    POST /console/rate-card-editor
"""


def _read() -> dict[tuple[str, str], frozenset[Role]]:
    routes: dict[tuple[str, str], frozenset[Role]] = {}
    roles: frozenset[Role] = frozenset()
    for row in _ROUTES.strip().splitlines():
        if row.endswith(":"):
            names = row.removesuffix(":").split()
            roles = frozenset() if names == ["anybody"] else frozenset(map(Role, names))
        else:
            method, _, path = row.strip().partition(" ")
            routes[method, path] = roles
    return routes


ROLES_OF_ROUTES = _read()
