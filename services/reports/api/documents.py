"""Stored things as the HTTP contract shows them."""

from typing import Any

from common.access.models import ApiKey, AuditEntry
from common.billing_period import Period, instant
from common.catalog.models import Customer, Product
from common.closing.run_history import PastRun
from common.disputes.search import CreditPlace, FoundDispute
from common.identifiers import report_id
from common.leads.models import Lead, QuarantinedLead
from common.leads.search import FoundLead
from common.money import amount
from common.rating.line import total_of
from common.rating.models import RateCard
from common.rating.period_totals import Entry
from common.rating.simulation import Simulated
from common.rating.totals import Totals
from common.reports.lead_history import LineOnReport


def customer_document(customer: Customer) -> dict[str, Any]:
    return {
        "customer_id": customer.external_id,
        "name": customer.name,
        "email": customer.email,
        "timezone": customer.timezone,
        "created_at": instant(customer.created_at),
    }


def product_document(product: Product) -> dict[str, Any]:
    return {
        "product_id": product.external_id,
        "name": product.name,
        "description": product.description,
        "created_at": instant(product.created_at),
    }


def key_document(key: ApiKey) -> dict[str, Any]:
    """A key without what it is proved by."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "role": key.role.value,
        "customer_id": key.customer and key.customer.external_id,
        "created_at": instant(key.created_at),
        "expires_at": key.expires_at and instant(key.expires_at),
        "rotated_from": key.rotated_from,
    }


def audit_document(entry: AuditEntry) -> dict[str, Any]:
    return {
        "entry_id": entry.entry_id,
        "recorded_at": instant(entry.recorded_at),
        "actor": entry.actor,
        "database_user": entry.database_user,
        "action": entry.action,
        "subject": entry.subject,
        "subject_id": entry.subject_id,
        "before": entry.before,
        "after": entry.after,
    }


def rate_card_document(card: RateCard) -> dict[str, Any]:
    return {
        "rate_card_id": str(card.rate_card_id),
        "customer_id": card.customer and card.customer.external_id,
        "name": card.name,
        "version": card.version,
        "valid_from": str(Period(card.valid_from)),
        "currency": card.currency,
        "follows_default": card.follows_default,
        "rates": [
            {
                "engagement_level": rate.engagement_level.value,
                "lead_type": rate.lead_type,
                "product_id": rate.product and rate.product.external_id,
                "amount": amount(rate.amount_cents),
            }
            for rate in card.rates
        ],
        "cap": None
        if card.follows_default
        else {"amount": amount(card.cap_cents), "scope": card.cap_scope.value},
        "duplicates_charged_for": [each.lead_type for each in card.charged_duplicates],
        "dispute_window_days": None if card.follows_default else card.dispute_window_days,
        "created_at": instant(card.created_at),
    }


def simulation_document(period: str, simulated: list[Simulated]) -> dict[str, Any]:
    """What a proposed card changes, for each customer and in total."""
    current, proposed = Totals(), Totals()
    for each in simulated:
        current = current.plus(each.current)
        proposed = proposed.plus(each.proposed)
    return {
        "period": period,
        "customers": [
            {
                "customer_id": each.customer_id,
                "customer_name": each.customer_name,
                "rate_card": {
                    "name": each.rate_card.name,
                    "version": each.rate_card.version,
                    "is_default": each.rate_card.is_default,
                },
                "is_repriced": each.is_repriced,
            }
            | _comparison(each.current, each.proposed)
            for each in simulated
        ],
        "totals": _comparison(current, proposed),
    }


def _comparison(current: Totals, proposed: Totals) -> dict[str, Any]:
    change = Totals(*(new - old for new, old in zip(proposed, current, strict=True))).document()
    return {
        "current": current.document(),
        "proposed": proposed.document(),
        "difference": {name: change[name] for name in ("currency", "gross", "billed", "savings")},
    }


def quarantined_document(held: QuarantinedLead) -> dict[str, Any]:
    return {
        "quarantine_id": str(held.quarantine_id),
        "reason": held.reason,
        "received_at": instant(held.received_at),
        "lead": held.lead,
    }


def run_document(past: PastRun) -> dict[str, Any]:
    """A billing run of the past, with the customers that still wait for another."""
    run = past.run
    return {
        "run_id": str(run.run_id),
        "period": str(Period(run.period)),
        "actor": run.actor,
        "started_at": instant(run.started_at),
        "finished_at": run.finished_at and instant(run.finished_at),
        "duration_seconds": past.duration_seconds,
        "closed": past.sums.reports,
        "already_closed": run.already_closed,
        "failed": run.failed,
        "totals": past.sums.totals.document(),
        "prior_period_billed": amount(past.sums.prior_billed_cents),
        "credits": amount(past.sums.credit_cents),
        "due": amount(past.sums.due_cents),
        "parked": [
            {
                "customer_id": parked.customer,
                "reason": parked.reason,
                "parked_at": instant(parked.parked_at),
            }
            for parked in past.parked
        ],
    }


def lead_document(found: FoundLead) -> dict[str, Any]:
    """A lead as it was posted, with the ids of its actions."""
    actions = [
        {
            "action_id": str(action.action_id),
            "action_type": action.action_type,
            "timestamp": instant(action.timestamp),
            "engagement_level": action.engagement_level.value,
        }
        for action in found.actions
    ]
    return _lead(found.lead) | {"actions": actions}


def dispute_document(found: FoundDispute) -> dict[str, Any]:
    """A dispute with its lines, and on which report each is credited."""
    stored = found.dispute
    return {
        "dispute_id": str(stored.dispute_id),
        "customer_id": found.customer_id,
        "lead_id": found.lead_id,
        "status": stored.status.value,
        "reason": stored.reason.value,
        "note": stored.note,
        "opened_by": stored.opened_by,
        "opened_at": instant(stored.opened_at),
        "decided_by": stored.decided_by,
        "decided_at": stored.decided_at and instant(stored.decided_at),
        "decision_note": stored.decision_note,
        "billed": amount(found.billed_cents),
        "credited": amount(found.credited_cents),
        "lines": [
            {
                "report_id": str(line.report_id),
                "report_period": str(line.report_period),
                "line_number": line.line_number,
                "action_id": str(line.action_id),
                "action_type": line.action_type,
                "engagement_level": line.engagement_level,
                "timestamp": instant(line.timestamp),
                "billed": amount(line.billed_cents),
                "credit": _credit_place(line.credit),
            }
            for line in found.lines
        ],
    }


def _credit_place(place: CreditPlace | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {"report_period": str(place.period), "report_status": place.status.value}


def decided_lead_document(
    found: FoundLead, decided: list[LineOnReport], disputes: list[FoundDispute]
) -> dict[str, Any]:
    """A lead with what became of each action, on which report, and what was disputed of it."""
    disputed = {
        str(line.action_id): {
            "dispute_id": str(each.dispute.dispute_id),
            "status": each.dispute.status.value,
            "reason": each.dispute.reason.value,
            "credited": amount(0 if line.credit is None else line.billed_cents),
            "credit": _credit_place(line.credit),
        }
        for each in disputes
        for line in each.lines
    }
    actions = [
        each.line.document()
        | {
            "period": str(Period(each.line.period)),
            "rate_card": each.card.document(),
            "report_id": str(report_id(found.lead.customer_id, str(Period(each.report_period)))),
            "report_period": str(Period(each.report_period)),
            "report_status": each.status.value,
            "dispute": disputed.get(each.line.action_id),
        }
        for each in decided
    ]
    totals = total_of([each.line for each in decided])
    credited = sum(each.credited_cents for each in disputes)
    return _lead(found.lead) | {
        "totals": totals.document(),
        "credited": amount(credited),
        "actions": actions,
    }


def entry_document(entry: Entry) -> dict[str, Any]:
    """One customer's period in the list of reports."""
    period = str(Period(entry.period))
    return {
        "report_id": str(report_id(entry.customer_id, period)),
        "customer_id": entry.customer,
        "customer_name": entry.customer_name,
        "period": period,
        "timezone": entry.timezone,
        "status": entry.status.value,
        "totals": entry.totals.document(),
        "due": None if entry.due_cents is None else amount(entry.due_cents),
    }


def _lead(lead: Lead) -> dict[str, Any]:
    user = {
        "email": lead.user_email,
        "phone": lead.user_phone,
        "external_id": lead.user_external_id,
    }
    return {
        "lead_id": lead.external_id,
        "customer_id": lead.customer.external_id,
        "product_id": lead.product.external_id,
        "lead_type": lead.lead_type,
        "user": {kind: value for kind, value in user.items() if value} or None,
        "created_at": instant(lead.created_at),
        "received_at": instant(lead.received_at),
    }
