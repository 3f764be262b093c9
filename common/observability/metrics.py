"""What is counted, by one name wherever it is shown: CloudWatch, Prometheus, alarms, dashboard.

Invariant: no metric says anything of a customer or a person; a label has few values.
"""

from collections.abc import Callable
from enum import StrEnum

NAMESPACE = "LeadBilling"


class Metric(StrEnum):
    """Counts, but for `…Seconds` (how long it took) and `…Now` (how many there are at the moment).

    Nothing is priced at ingest, so duplicates and savings are known when a month is closed.
    """

    LEADS_CREATED = "LeadsCreated"
    LEADS_UPDATED = "LeadsUpdated"
    LEADS_UNCHANGED = "LeadsUnchanged"
    LEADS_VOIDED = "LeadsVoided"
    LEADS_QUARANTINED = "LeadsQuarantined"
    LEADS_CONFLICT = "LeadsConflict"
    LEADS_INVALID = "LeadsInvalid"
    LEADS_QUEUED = "LeadsQueued"
    ACTIONS_ADDED = "ActionsAdded"
    REFUSED = "Refused"  # requests and leads, by code

    REQUESTS = "Requests"  # by route, method and status
    REQUEST_SECONDS = "RequestSeconds"

    REPORTS_CLOSED = "ReportsClosed"
    CLOSES_FAILED = "ClosesFailed"
    CLOSE_SECONDS = "CloseSeconds"
    CENTS_BILLED = "CentsBilled"
    CENTS_SAVED_DUPLICATE = "CentsSavedDuplicate"
    CENTS_SAVED_CAP = "CentsSavedCap"
    DUPLICATES = "Duplicates"
    LATE_ACTIONS = "LateActions"

    SEALS_FAILED = "SealsFailed"  # final reports were not signed: the log says why
    STEPS_FAILED = "StepsFailed"  # of the background worker, by step

    EVENTS_DELIVERED = "EventsDelivered"  # to webhooks
    EVENT_ATTEMPTS_FAILED = "EventAttemptsFailed"
    WEBHOOKS_DISABLED = "WebhooksDisabled"  # because they could not be delivered to

    QUARANTINED_NOW = "QuarantinedNow"
    PARKED_NOW = "ParkedNow"
    OVERDUE_NOW = "OverdueNow"
    EVENTS_WAITING_NOW = "EventsWaitingNow"  # not delivered yet
    WEBHOOKS_DISABLED_NOW = "WebhooksDisabledNow"  # because they could not be delivered to
    QUEUED_NOW = "QueuedNow"  # messages of leads that wait for the database

    @property
    def is_duration(self) -> bool:
        return self.value.endswith("Seconds")

    @property
    def is_level(self) -> bool:
        return self.value.endswith("Now")


Sink = Callable[[Metric, float, dict[str, str]], None]

sinks: list[Sink] = []
"""Where metrics go; each deployable adds its own when it starts."""


def record(metric: Metric, value: float = 1, **labels: str) -> None:
    """Tells every sink. Labels are names of code's own, never of a customer or a person."""
    for sink in sinks:
        sink(metric, value, labels)
