"""Lists in pages, each with a cursor: an opaque text that the next request sends back.

Invariant: a cursor names a place in an order, not a number of rows, so rows that are stored between
two requests do not shift the pages. It is good for the list and the filters that it came from only.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json

from common.access.api_keys import KeyPlace
from common.access.models import ApiKey
from common.audit_log import AuditEntry
from common.catalog.models import Customer, Product
from common.closing.run_history import PastRun, RunKey
from common.disputes.search import DisputeKey, FoundDispute
from common.events.models import Webhook, WebhookDelivery
from common.events.webhooks import WebhookPlace
from common.exports.jobs import ExportKey
from common.exports.models import Export
from common.leads.models import QuarantinedLead
from common.leads.quarantine import QuarantineKey
from common.leads.search import FoundLead, LeadKey
from common.problems import FieldError, Invalid
from common.rating.models import RateCard
from common.rating.periods import PeriodTotals
from common.rating.schemas import CardKey
from common.reports.groups import FoundGroup, GroupPlace
from common.reports.line_search import LineSearch
from common.reports.listing import EntryKey, key_of
from common.reports.months import Month
from services.reports.api.fitting import MAX_ANSWER_BYTES, fitting
from services.reports.api.schemas.heads import Head

_MARK_BYTES = 6  # what base64 makes eight characters of
MAX_INTEGER, MAX_BIGINT = 2**31 - 1, 2**63 - 1  # of the database
Row = TypeVar("Row")
Answer = TypeVar("Answer", bound=BaseModel)
Place = tuple[object, ...] | str | int
# Finds at most so many rows after a place: `find(place, most)`.
Find = Callable[[Any, int], Sequence[Row]]


@dataclass(frozen=True)
class Order(Generic[Row]):
    """The order of a list: its name, the type of a place in it, and the place of a row."""

    name: str
    kind: type[Any]
    place_of: Callable[[Row], Place]
    largest: int = MAX_INTEGER  # number in a place

    def page(
        self, find: Find[Row], cursor: str | None, limit: int, filters: object = None
    ) -> tuple[Sequence[Row], str | None]:
        """At most `limit` rows after the cursor, and the cursor of the next page if there is one.

        Raises Invalid for a cursor that is not one of this list's, with these filters.
        """
        whole = self.name, filters
        after = from_cursor(cursor, self.kind, whole, self.largest)
        rows = find(after, limit + 1)
        page = rows[:limit]
        return page, to_cursor(self.place_of(page[-1]), whole) if len(rows) > limit else None

    def answer(
        self,
        kind: type[Answer],
        find: Find[Row],
        cursor: str | None,
        limit: int,
        filters: object = None,
    ) -> Answer:
        """The page behind `cursor`, as an answer; with fewer rows than `limit` if no more fit."""
        rows, next_cursor = self.page(find, cursor, limit, filters)
        answer = kind.model_validate({"data": rows, "next_cursor": next_cursor})
        data: Sequence[BaseModel] = dict(answer)["data"]
        count = fitting(data, MAX_ANSWER_BYTES)
        if count == len(data):
            return answer
        next_cursor = to_cursor(self.place_of(rows[count - 1]), (self.name, filters))
        return answer.model_copy(update={"data": data[:count], "next_cursor": next_cursor})


AUDIT = Order[AuditEntry]("audit", int, lambda entry: entry.entry_id)
CARDS = Order[RateCard](
    "cards",
    CardKey,
    lambda card: CardKey(card.customer.external_id if card.customer else "", card.version),
)
CUSTOMERS = Order[Customer]("customers", str, lambda customer: customer.external_id)
DELIVERIES = Order[WebhookDelivery](
    "deliveries", int, lambda delivery: delivery.position, MAX_BIGINT
)
DISPUTES = Order[FoundDispute](
    "disputes", DisputeKey, lambda row: DisputeKey(row.dispute.opened_at, row.dispute.dispute_id)
)
EXPORTS = Order[Export](
    "exports", ExportKey, lambda export: ExportKey(export.created_at, export.export_id)
)
GROUPS = Order[FoundGroup]("groups", GroupPlace, lambda found: found.place, MAX_BIGINT)
HEADS = Order[Head]("heads", int, lambda head: head.head)
KEYS = Order[ApiKey]("keys", KeyPlace, lambda key: KeyPlace(key.created_at, key.key_id))
LEADS = Order[FoundLead](
    "leads", LeadKey, lambda row: LeadKey(row.lead.created_at, row.lead.lead_id)
)
PRODUCTS = Order[Product]("products", str, lambda product: product.external_id)
QUARANTINE = Order[QuarantinedLead](
    "quarantine",
    QuarantineKey,
    lambda lead: QuarantineKey(lead.received_at, lead.position, lead.quarantine_id),
)
REPORTS = Order[PeriodTotals]("reports", EntryKey, key_of)
RUNS = Order[PastRun]("runs", RunKey, lambda past: RunKey(past.run.started_at, past.run.run_id))
WEBHOOKS = Order[Webhook](
    "webhooks",
    WebhookPlace,
    lambda webhook: WebhookPlace(webhook.created_at, webhook.webhook_id),
)


def of_month(month: Month, noun: str, search: LineSearch | None = None) -> object:
    """The list of a month's lines, users or leads that are searched for."""
    return noun, month.customer.customer_id, month.period.start, search


def to_cursor(place: Place, whole: object) -> str:
    """An opaque text for a place in an order; `whole` is the list, with its filters."""
    return base64.urlsafe_b64encode(_mark(whole) + to_json(place)).decode().rstrip("=")


def from_cursor(cursor: str | None, kind: Any, whole: object, largest: int = MAX_INTEGER) -> Any:
    """The place that `to_cursor` made the text of, for the same list and filters.

    None for no cursor. Raises Invalid for any other text.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        content = base64.b64decode(padded, b"-_", validate=True)
        if content[:_MARK_BYTES] != _mark(whole):
            raise ValueError("is of another list")
        place = TypeAdapter(kind).validate_json(content[_MARK_BYTES:])
        members = [place] if isinstance(place, str | int) else place
        if not all(_could_be_ours(member, largest) for member in members):
            raise ValueError("holds what the database would not take")
        return place
    except ValueError:
        raise Invalid(
            "the cursor is not one of this list's",
            [FieldError("/query/cursor", "invalid_cursor", "take it from a page's next_cursor")],
        ) from None


def _mark(whole: object) -> bytes:
    return hashlib.sha256(repr(whole).encode("utf-8", "surrogatepass")).digest()[:_MARK_BYTES]


def _could_be_ours(member: object, largest: int) -> bool:
    """Whether `to_cursor` could have been given it: the database takes less than JSON holds."""
    if isinstance(member, str):
        return "\0" not in member
    if isinstance(member, datetime):
        return member.utcoffset() == timedelta(0)
    return not isinstance(member, int) or 0 <= member <= largest
