"""Reading signed heads, signing keys, and proofs of what a head holds."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Text, cast, func, select
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import Period
from common.final_reports.models import BillingReport, ReportSeal
from common.problems import FieldError, Invalid, NotFound
from common.proof.merkle import Get, consistency_proof, inclusion_proof, nodes_read
from common.proof.models import SignedHead, SigningKey
from common.proof.sealing import REPORTS, nodes_of
from common.proof.signing import PublicKey


def signing_keys(session: Session) -> list[PublicKey]:
    """All keys that anything was signed with, the newest first."""
    keys = select(SigningKey.public_key).order_by(SigningKey.created_at.desc(), SigningKey.key_id)
    return [PublicKey(bytes(raw)) for raw in session.scalars(keys)]


def list_heads(session: Session, after: int | None, limit: int) -> list[SignedHead]:
    """At most `limit` heads, the newest first, before the head of number `after`."""
    query = select(SignedHead).order_by(SignedHead.head_number.desc()).limit(limit)
    if after is not None:
        query = query.where(SignedHead.head_number < after)
    return list(session.scalars(query))


def head_of_period(session: Session, period: Period) -> SignedHead:
    """The first head with every report of a period that the caller is shown. Raises NotFound."""
    newest = (
        select(func.max(ReportSeal.head_number))
        .join(
            BillingReport,
            (BillingReport.customer_id == ReportSeal.customer_id)
            & (BillingReport.report_id == ReportSeal.report_id),
        )
        .where(BillingReport.period == period.start)
    )
    head = session.get(SignedHead, session.scalar(newest) or 0)
    if head is None:
        raise NotFound(f"no signed head holds a report of {period} yet")
    return head


def heads_of_customers(session: Session, customers: Iterable[str]) -> list[int]:
    """The numbers of the heads that first held a report of some customers: those they were sent."""
    named = [identifiers.customer_id(customer) for customer in customers]
    numbers = select(ReportSeal.head_number).where(ReportSeal.customer_id.in_(named)).distinct()
    return list(session.scalars(numbers.order_by(ReportSeal.head_number)))


def short_form(head: SignedHead) -> str:
    """A head in one word, for a mail or on paper: its number, and the start of a hash of it."""
    return f"{head.head_number}-{hashlib.sha256(head.statement.encode()).hexdigest()[:16]}"


class Inclusion(NamedTuple):
    """That a head holds a report: the report's leaf, and the path from it to the root."""

    customer: str
    period: Period
    content_hash: str
    head: SignedHead
    leaf_index: int
    facts_hash: str
    path: list[bytes]


def prove_inclusion(
    session: Session, customer: str, period: Period, head_number: int | None
) -> Inclusion:
    """By default in the newest head. Raises NotFound, and Invalid for a head before the report."""
    row = session.execute(
        select(
            ReportSeal.leaf_index,
            func.encode(func.sha256(func.convert_to(cast(ReportSeal.facts, Text), "UTF8")), "hex"),
            BillingReport.content_hash,
        )
        .join(
            BillingReport,
            (BillingReport.customer_id == ReportSeal.customer_id)
            & (BillingReport.report_id == ReportSeal.report_id),
        )
        .where(
            ReportSeal.customer_id == identifiers.customer_id(customer),
            ReportSeal.report_id
            == identifiers.report_id(identifiers.customer_id(customer), str(period)),
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"no signed head holds a report of {customer!r} of {period}")
    head = _head(session, head_number)
    if head.report_count <= row[0]:
        raise Invalid(
            "the head is older than the report",
            [FieldError("/query/head", "head_before_report", f"{head.head_number} is older")],
        )

    def compute(get: Get) -> list[bytes]:
        return inclusion_proof(get, row[0], head.report_count)

    nodes = nodes_of(session, REPORTS, nodes_read(compute))
    path = compute(nodes.__getitem__)
    return Inclusion(customer, period, row[2], head, row[0], row[1], path)


def prove_consistency(
    session: Session, earlier_number: int, later_number: int | None
) -> tuple[SignedHead, SignedHead, list[bytes]]:
    """That a head goes on with what an earlier one holds. Raises NotFound and Invalid."""
    earlier, later = _head(session, earlier_number), _head(session, later_number)
    if later.head_number < earlier.head_number:
        raise Invalid(
            "the heads are in the wrong order",
            [FieldError("/query/to", "head_before_other", f"must be {earlier_number} or later")],
        )
    if not earlier.report_count:
        return earlier, later, []

    def compute(get: Get) -> list[bytes]:
        return consistency_proof(get, earlier.report_count, later.report_count)

    nodes = nodes_of(session, REPORTS, nodes_read(compute))
    return earlier, later, compute(nodes.__getitem__)


def _head(session: Session, number: int | None) -> SignedHead:
    newest = select(func.max(SignedHead.head_number)).scalar_subquery()
    query = select(SignedHead).where(
        SignedHead.head_number == (newest if number is None else number)
    )
    head = session.scalar(query)
    if head is None:
        raise NotFound("there is no such head")
    return head
