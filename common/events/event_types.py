"""What other systems can be told about. A type stands here once something announces it."""

from enum import StrEnum


class EventType(StrEnum):
    """The types of event, as they are named in webhooks. docs/webhooks.md says what each tells."""

    REPORT_FINALIZED = "report.finalized"
    REPORT_DELIVERED = "report.delivered"
    DISPUTE_OPENED = "dispute.opened"
    DISPUTE_RESOLVED = "dispute.resolved"
    LEAD_QUARANTINED = "lead.quarantined"
    IMPORT_FINISHED = "import.finished"
    EXPORT_READY = "export.ready"
