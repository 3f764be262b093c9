"""A report as the HTTP contract's JSON."""

from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json

from common.billing_period import Period, instant
from common.money import amount
from common.rating.line import total_of
from common.reports.model import Group, Report

MEDIA_TYPE = "application/json"
_LINES_AT_ONCE = 500


def render(report: Report) -> Iterator[bytes]:
    """The report's JSON in pieces, so that no more than some lines are held at once."""
    yield to_json(_before_lines(report))[:-1] + b',"lines":['
    piece: list[dict[str, Any]] = []
    separator = b""
    for line in report.lines:
        piece.append(line.document())
        if len(piece) == _LINES_AT_ONCE:
            yield separator + to_json(piece)[1:-1]
            piece, separator = [], b","
    if piece:
        yield separator + to_json(piece)[1:-1]
    yield b"]," + to_json(_after_lines(report))[1:]


def _before_lines(report: Report) -> dict[str, Any]:
    return {
        "report_id": report.report_id,
        "customer_id": report.customer_id,
        "customer_name": report.customer_name,
        "period": str(report.period),
        "timezone": report.timezone,
        "status": report.status.value,
        "rate_card": {"name": report.rate_card_name, "version": report.rate_card_version},
        "totals": report.totals.document(),
        "due": amount(report.due_cents),
        "prior_period": {
            "totals": total_of(report.prior_period).document(),
            "lines": [
                line.document()
                | {
                    "period": str(Period(line.period)),
                    "rate_card": report.prior_cards[line.period].document(),
                }
                for line in report.prior_period
            ],
        },
        "credits": {
            "total": amount(report.credit_cents),
            "lines": [credit.document() for credit in report.credits],
        },
        "by_product": _groups(report.parts.by_product),
        "by_lead_type": _groups(report.parts.by_lead_type),
        "by_user": _groups(report.parts.by_user),
        "by_lead": _groups(report.parts.by_lead),
    }


def _after_lines(report: Report) -> dict[str, Any]:
    return {
        "next_cursor": report.next_cursor,
        "warnings": [notice.document() for notice in report.notices],
        "generated_at": instant(report.generated_at),
        "finalized_at": report.finalized_at and instant(report.finalized_at),
        "hash_version": report.hash_version,
        "content_hash": report.content_hash,
        "previous_hash": report.previous_hash,
    }


def _groups(groups: list[Group]) -> list[dict[str, Any]]:
    return [group.document() for group in groups]
