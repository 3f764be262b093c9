"""Checking all that was sealed: the heads, the two trees beneath them, and their second place.

Invariant: nothing here writes, and each finding names what differs. Memory does not grow with the
number of reports and audit entries.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.proof.checking import known_keys
from common.proof.heads import signing_keys
from common.proof.merkle import Growing, Node
from common.proof.models import SignedHead, SigningKey
from common.proof.sealing import AUDIT, REPORTS, nodes_of, roots_in
from common.proof.second_place import kept_heads, second_place
from common.proof.signing import ALGORITHM, PublicKey, key_id_of
from common.settings import Settings

_SEALED = {
    tree: text(load_statement("proof", name))
    for tree, name in ((REPORTS, "sealed_reports"), (AUDIT, "sealed_audit"))
}
_DIFFERING_ROWS = text(load_statement("proof", "differing_rows"))
_HEADS = select(*SignedHead.__table__.columns).order_by(SignedHead.head_number)
_MAX_FINDINGS = 1_000
_AT_ONCE = 500
_STREAM = {"stream_results": True, "yield_per": _AT_ONCE}
_Statements = dict[int, tuple[str, str]]


def differing_heads(session: Session, settings: Settings) -> Iterator[str]:
    """What of the heads and of the trees beneath them is not as it was signed."""
    place = second_place(settings)
    keys = known_keys(session, settings)
    for stored_key in signing_keys(session):
        if stored_key.key_id not in keys:
            yield f"the key {stored_key.key_id} was not kept outside of the database"
    yield from _differing_keys(session)
    stored: _Statements = {}
    for head in session.execute(_HEADS):
        if head.head_number in stored:
            yield f"head {head.head_number} is stored twice"
        stored[head.head_number] = head.statement, head.signature
        yield from _differing_columns(head)
    heads = dict(stored)
    if place is not None:
        kept = {each["head"]: (each["statement"], each["signature"]) for each in kept_heads(place)}
        yield from _differing_copies(stored, kept)
        heads |= kept
    roots: dict[str, dict[int, tuple[int, str]]] = {REPORTS: {}, AUDIT: {}}
    for number, (statement, signature) in sorted(heads.items()):
        key = keys.get(key_id_of(signature) or "")
        if key is None or not key.verifies(signature, statement.encode()):
            yield f"head {number} is not signed with a key that is known"
            continue
        said = roots_in(statement)
        roots[REPORTS][number] = said.report_count, said.report_root
        roots[AUDIT][number] = said.audit_count, said.audit_root
    for tree, of_heads in roots.items():
        yield from _differing_tree(session, tree, of_heads)


def differing_rows(session: Session) -> Iterator[str]:
    """Disputes, runs and numbers that are not as the audit log and the reports say."""
    yield from session.scalars(_DIFFERING_ROWS, {"max_findings": _MAX_FINDINGS})


def _differing_copies(stored: _Statements, kept: _Statements) -> Iterator[str]:
    """Heads before the first kept one were made without a second place."""
    first = min(kept, default=0)
    for number in sorted(stored.keys() | kept.keys()):
        if number in kept and kept[number] != stored.get(number):
            yield f"head {number} is not the one that was kept outside of the database"
        elif number not in kept and number > first:
            yield f"head {number} was not kept outside of the database, or was taken away there"


def _differing_keys(session: Session) -> Iterator[str]:
    rows = select(SigningKey.key_id, SigningKey.public_key, SigningKey.algorithm)
    for key_id, raw, algorithm in session.execute(rows):
        if key_id != PublicKey(bytes(raw)).key_id:
            yield f"the key {key_id} has the name of another one"
        if algorithm != ALGORITHM:
            yield f"the key {key_id} is of another algorithm"


def _differing_columns(head: Row[Any]) -> Iterator[str]:
    """Columns beside a statement say what it says."""
    try:
        said = roots_in(head.statement)
        made_at = datetime.fromisoformat(json.loads(head.statement)["made_at"])
    except (ValueError, KeyError, TypeError):
        yield f"head {head.head_number} has no statement"
        return
    if (head.report_count, head.audit_count) != (said.report_count, said.audit_count):
        yield f"the counts of head {head.head_number} are not those of its statement"
    if (head.head_number, head.made_at) != (said.head, made_at):
        yield f"the number or time of head {head.head_number} is not that of its statement"


def _differing_tree(
    session: Session, tree: str, heads: dict[int, tuple[int, str]]
) -> Iterator[str]:
    """Each leaf and node as the rows give it now, compared with the stored one.

    Above a changed leaf the tree goes on with the stored one, so that one change is one finding.
    """
    growing, waiting = Growing(), sorted(heads.items())
    rows = session.execute(_SEALED[tree], {"first_leaf": 0}, execution_options=_STREAM)
    for some in rows.partitions(_AT_ONCE):
        stored = nodes_of(session, tree, _nodes_of_leaves(growing.size, len(some)))
        for row in some:
            yield from _differing_roots(tree, growing, waiting)
            if row.leaf_index != growing.size:
                yield f"leaves of the tree of {tree} are missing before {_named(tree, row)}"
                return
            leaf = None if row.leaf is None else bytes(row.leaf)
            kept = stored.get(Node(0, growing.size))
            if leaf is None:
                yield f"{_named(tree, row)} was deleted"
            elif leaf != kept:
                yield f"{_named(tree, row)} was changed"
            for node, hashed in growing.append(kept or leaf or b"")[1:]:
                if stored.get(node) != hashed:
                    yield f"the tree of {tree} was changed above {_named(tree, row)}"
    yield from _differing_roots(tree, growing, waiting)
    for number, (size, _) in waiting:
        yield f"head {number} holds {size} leaves of the tree of {tree}, not {growing.size}"


def _nodes_of_leaves(first: int, count: int) -> set[Node]:
    """The leaves from `first` on, and the nodes that are complete with one of them."""
    growing = Growing(first, [b""] * first.bit_count())
    return {node for _ in range(count) for node, _ in growing.append(b"")}


def _differing_roots(
    tree: str, growing: Growing, waiting: list[tuple[int, tuple[int, str]]]
) -> Iterator[str]:
    while waiting and waiting[0][1][0] == growing.size:
        number, (_, root) = waiting.pop(0)
        if growing.root.hex() != root:
            yield f"the tree of {tree} is not the one that head {number} was signed over"


def _named(tree: str, row: Row[Any]) -> str:
    if tree == AUDIT:
        return f"audit entry {row.entry_id}"
    return f"the report {row.report_id} of {row.customer or row.customer_id}"
