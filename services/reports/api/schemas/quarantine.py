"""Quarantine: valid leads of unknown customers or products."""

from datetime import datetime
from typing import Any

from common.leads import models
from services.reports.api.schemas.answer import Answer, Page


class QuarantinedLead(Answer):
    """A lead as it was posted, and why it is in quarantine."""

    quarantine_id: str
    reason: str
    received_at: datetime
    lead: dict[str, Any]

    @classmethod
    def from_stored(cls, stored: models.QuarantinedLead) -> "QuarantinedLead":
        return cls(
            quarantine_id=str(stored.quarantine_id),
            reason=stored.reason,
            received_at=stored.received_at,
            lead=stored.lead,
        )


class QuarantineList(Page[QuarantinedLead]):
    """A page of quarantined leads, newest first."""
