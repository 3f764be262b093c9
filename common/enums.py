"""The closed lists of the domain: levels, outcomes, statuses, reasons and roles."""

from enum import StrEnum


class EngagementLevel(StrEnum):
    """How engaged a user is; declared in order (docs/billing-rules.md, Canonical order)."""

    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


class DocumentType(StrEnum):
    """What a statement is titled (docs/invoices.md)."""

    STATEMENT = "statement"
    INVOICE = "invoice"


class MailStatus(StrEnum):
    """What became of a mail with a statement (docs/delivery.md)."""

    PENDING = "pending"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    FAILED = "failed"


class CapScope(StrEnum):
    """What one cap covers within a customer's period (docs/billing-rules.md, Cap)."""

    USER = "user"
    USER_AND_PRODUCT = "user_and_product"


class RateKind(StrEnum):
    """What a rate is for beside a level; the most specific wins (docs/billing-rules.md, Price)."""

    LEVEL = "level"
    LEAD_TYPE = "lead_type"
    PRODUCT = "product"
    PRODUCT_AND_LEAD_TYPE = "product_and_lead_type"


class Outcome(StrEnum):
    """What rating made of one action."""

    BILLED = "billed"
    DUPLICATE = "duplicate"
    PARTIALLY_CAPPED = "partially_capped"
    CAPPED = "capped"


class DisputeReason(StrEnum):
    """Why a customer does not want to pay for a line."""

    DUPLICATE = "duplicate"
    INVALID_CONTACT = "invalid_contact"
    OUT_OF_AREA = "out_of_area"
    SPAM = "spam"
    NOT_REQUESTED = "not_requested"
    OTHER = "other"


class DisputeStatus(StrEnum):
    """What came of a dispute."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class ReportStatus(StrEnum):
    """A draft follows its actions; a final report never changes."""

    DRAFT = "draft"
    FINAL = "final"


class Role(StrEnum):
    """What a key is for: sending leads, reading, or everything.

    A viewer sees users masked; one with people sees their emails and phone numbers.
    """

    INGEST = "ingest"
    VIEWER = "viewer"
    VIEWER_WITH_PEOPLE = "viewer+people"
    ADMIN = "admin"
