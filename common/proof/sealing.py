"""Sealing: signing final reports, and making a signed head over all of them and the audit log.

Invariant: the trees only grow. A head is made only while the database still gives the last head
that was kept outside of it, so whoever rewrites the database gets no signature for it.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.database.locks import lock_heads
from common.database.sql_loader import load_statement
from common.database.transactions import transaction
from common.final_reports.models import ReportSeal
from common.observability.metrics import Metric, record
from common.proof.merkle import Growing, Node, peaks_of
from common.proof.models import AuditSeal, MerkleNode, SignedHead, SigningKey
from common.proof.second_place import (
    SecondPlace,
    keep_head,
    keep_key,
    kept_keys,
    last_kept_head,
    second_place,
)
from common.proof.signing import PublicKey, Signer, canonical, report_statement, sign, signer_of
from common.settings import Settings, settings

logger = logging.getLogger("lead_billing.proof")
REPORTS, AUDIT = "reports", "audit"
_AT_ONCE = 5_000
_UNSEALED_REPORTS = text(load_statement("proof", "unsealed_reports"))
_UNSEALED_AUDIT = text(load_statement("proof", "unsealed_audit"))
_FACTS = text(load_statement("proof", "report_facts"))
LEAF = text("select report_leaf(:customer, :period, :hash, cast(:facts as jsonb))")


class HistoryRewritten(RuntimeError):
    """The database does not hold what the last head outside of it says: nothing is signed."""


def seal_quietly() -> None:
    """Seals what is not sealed yet. A failure is logged and counted: the next one tries again."""
    try:
        while seal(settings()):
            pass
    except Exception:
        record(Metric.SEALS_FAILED)
        logger.exception("final reports could not be sealed")


def seal(known: Settings) -> bool:
    """Signs what is final and makes a head over it. Says whether there was anything to seal.

    Does nothing where no signer is configured. Raises HistoryRewritten.
    """
    signer = signer_of(known)
    if signer is None:
        return False
    place = second_place(known)
    with transaction() as session:
        lock_heads(session)
        last = last_head(session)
        _require_kept_head(session, place, last, signer.key)
        reports = session.execute(_UNSEALED_REPORTS, {"max_reports": _AT_ONCE}).all()
        entries = session.execute(_UNSEALED_AUDIT, {"max_entries": _AT_ONCE}).all()
        if reports or entries:
            if place is not None:
                keep_key(place, signer.key.as_jwk())
            _know_key(session, signer.key)
            last = _make_head(session, signer, last, reports, entries)
    if place is not None and last is not None:
        keep_head(place, last.head_number, last.statement, last.signature)
    return bool(reports or entries)


def last_head(session: Session) -> SignedHead | None:
    return session.scalar(select(SignedHead).order_by(SignedHead.head_number.desc()).limit(1))


def peak_hashes(session: Session, tree: str, size: int) -> list[bytes]:
    """The hashes of the subtrees that a tree of this size consists of. Raises HistoryRewritten."""
    found = nodes_of(session, tree, set(peaks_of(size)))
    if len(found) < len(peaks_of(size)):
        raise HistoryRewritten(f"nodes of the tree of {tree} are missing")
    return [found[node] for node in peaks_of(size)]


def nodes_of(session: Session, tree: str, nodes: set[Node]) -> dict[Node, bytes]:
    rows = session.execute(
        select(MerkleNode.level, MerkleNode.place, MerkleNode.hash).where(
            MerkleNode.tree == tree, tuple_(MerkleNode.level, MerkleNode.place).in_(nodes)
        )
    )
    return {Node(level, place): hashed for level, place, hashed in rows}


class Roots(NamedTuple):
    """What a head says: how many leaves there are in the two trees, and their roots in hex."""

    head: int
    report_count: int
    report_root: str
    audit_count: int
    audit_root: str


def roots_in(statement: str) -> Roots:
    """Raises ValueError for a statement that is not a head's."""
    try:
        content = json.loads(statement)
        reports, audit = content[REPORTS], content[AUDIT]
        return Roots(
            content["head"], reports["count"], reports["root"], audit["count"], audit["root"]
        )
    except (KeyError, TypeError) as error:
        raise ValueError("this is no statement of a head") from error


def _require_kept_head(
    session: Session, place: SecondPlace | None, last: SignedHead | None, key: PublicKey
) -> None:
    """The database must still give the last head that was kept outside of it."""
    kept = None if place is None else last_kept_head(place)
    if kept is None and last is None:
        return
    statement = kept["statement"] if kept else (last.statement if last else "")
    roots = roots_in(statement)
    stored = session.get(SignedHead, roots.head)
    if stored is None or stored.statement != statement:
        raise HistoryRewritten(f"head {roots.head} is not the one that was kept")
    if last is None or last.head_number > roots.head + 1:
        raise HistoryRewritten(f"heads after {roots.head} were not kept outside of the database")
    if place is not None and (kept is None or last.head_number > roots.head):
        # It was made when the second place could not be reached, perhaps with the key before ours.
        ours = [key, *(PublicKey.from_jwk(jwk) for jwk in kept_keys(place))]
        if not any(each.verifies(last.signature, last.statement.encode()) for each in ours):
            raise HistoryRewritten(f"head {last.head_number} is not signed with our key")
        keep_head(place, last.head_number, last.statement, last.signature)
    for tree, size, root in (
        (REPORTS, roots.report_count, roots.report_root),
        (AUDIT, roots.audit_count, roots.audit_root),
    ):
        if Growing(size, peak_hashes(session, tree, size)).root.hex() != root:
            raise HistoryRewritten(f"the tree of {tree} is not the one of head {roots.head}")
    for seals, count in (
        (ReportSeal, last.report_count),
        (AuditSeal, last.audit_count),
    ):
        if session.scalar(select(func.count()).select_from(seals)) != count:
            raise HistoryRewritten(f"rows of {seals.__tablename__} are missing, or were added")


def _make_head(
    session: Session, signer: Signer, last: SignedHead | None, reports: Any, entries: Any
) -> SignedHead:
    number = 1 if last is None else last.head_number + 1
    sizes = (0, 0) if last is None else (last.report_count, last.audit_count)
    of_reports, of_audit = (
        Growing(size, peak_hashes(session, tree, size))
        for tree, size in zip((REPORTS, AUDIT), sizes, strict=True)
    )
    seals, nodes = [], []
    for report in reports:
        facts = facts_of(session, report.customer_id, report.report_id)
        leaf = session.execute(
            LEAF,
            {
                "customer": report.customer,
                "period": report.period,
                "hash": report.content_hash,
                "facts": json.dumps(facts),
            },
        ).scalar_one()
        statement = report_statement(
            report.issuer,
            report.customer,
            str(Period(report.period)),
            report.number,
            report.content_hash,
        )
        seals.append(
            {
                "customer_id": report.customer_id,
                "report_id": report.report_id,
                "leaf_index": of_reports.size,
                "head_number": number,
                "facts": facts,
                "signature": sign(signer, statement),
            }
        )
        nodes += [(REPORTS, *node, hashed) for node, hashed in of_reports.append(bytes(leaf))]
    audit_seals = []
    for entry in entries:
        audit_seals.append({"entry_id": entry.entry_id, "leaf_index": of_audit.size})
        nodes += [(AUDIT, *node, hashed) for node, hashed in of_audit.append(bytes(entry.leaf))]
    made_at = datetime.now(UTC)
    statement = canonical(
        {
            "type": "lead-billing-head/1",
            "head": number,
            "made_at": f"{made_at:%Y-%m-%dT%H:%M:%S.%fZ}",
            REPORTS: {"count": of_reports.size, "root": of_reports.root.hex()},
            AUDIT: {"count": of_audit.size, "root": of_audit.root.hex()},
        }
    )
    head = SignedHead(
        head_number=number,
        made_at=made_at,
        report_count=of_reports.size,
        audit_count=of_audit.size,
        statement=statement.decode(),
        signature=sign(signer, statement),
    )
    session.add(head)
    session.flush()
    names = ("tree", "level", "place", "hash")
    for table, rows in (
        (ReportSeal, seals),
        (AuditSeal, audit_seals),
        (MerkleNode, [dict(zip(names, node, strict=True)) for node in nodes]),
    ):
        if rows:
            session.execute(insert(table), rows)
    return head


def facts_of(session: Session, customer_id: UUID, report_id: UUID) -> dict[str, str]:
    """By table, a hash of the rows that a final report stands on."""
    named = {"customer_id": str(customer_id), "report_id": str(report_id)}
    facts: dict[str, str] = session.execute(_FACTS, named).scalar_one()
    return facts


def _know_key(session: Session, key: PublicKey) -> None:
    """Keeps the public key: what was signed with an old key stays verifiable."""
    session.execute(
        upsert(SigningKey)
        .values(key_id=key.key_id, algorithm="Ed25519", public_key=key.raw)
        .on_conflict_do_nothing()
    )
