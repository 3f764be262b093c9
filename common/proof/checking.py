"""Checking what was sealed: signatures, the rows behind reports, the two trees, and the heads.

Invariant: nothing here writes, and each finding names what differs. Memory does not grow with the
number of reports and entries.
"""

import json
from collections.abc import Iterator

from sqlalchemy import Row, func, select, text
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.models import Customer
from common.database.sql_loader import load_statement
from common.database.transactions import tenant
from common.final_reports.models import BillingReport, ReportSeal
from common.proof.heads import signing_keys
from common.proof.merkle import Growing, Node
from common.proof.models import SignedHead, SigningKey
from common.proof.sealing import AUDIT, LEAF, REPORTS, facts_of, nodes_of, roots_in
from common.proof.second_place import kept_heads, kept_keys, second_place
from common.proof.signing import PublicKey, key_id_of, report_statement
from common.settings import Settings

_SEALED = {
    tree: text(load_statement("proof", name))
    for tree, name in ((REPORTS, "sealed_reports"), (AUDIT, "sealed_audit"))
}
_STREAM = {"stream_results": True, "yield_per": 500}


def known_keys(session: Session, settings: Settings) -> dict[str, PublicKey]:
    """The public keys by id: those of the second place if there is one, else the database's."""
    place = second_place(settings)
    kept = [] if place is None else kept_keys(place)
    known = {key.key_id: key for key in signing_keys(session)}
    if kept:
        return {each["kid"]: known[each["kid"]] for each in kept if each["kid"] in known}
    return known


def differing_seal(session: Session, report: BillingReport, settings: Settings) -> list[str]:
    """What of a sealed report is not as it was signed. Of one that is not sealed, nothing."""
    customer = session.get_one(Customer, report.customer_id)
    found = list(_missing_reports(session, customer))
    seal = session.get(ReportSeal, (report.customer_id, report.report_id))
    if seal is None:
        newest = session.scalar(select(func.max(SignedHead.made_at)))
        if newest is not None and report.finalized_at < newest:
            found.append("the signature is missing")
        return found
    statement = report_statement(
        report.issuer,
        customer.external_id,
        str(Period(report.period)),
        report.number,
        report.content_hash,
    )
    key = known_keys(session, settings).get(key_id_of(seal.signature) or "")
    if key is None or not key.verifies(seal.signature, statement):
        found.append("the signature is not over this report")
    leaf = session.execute(
        LEAF,
        {
            "customer": customer.external_id,
            "period": report.period,
            "hash": report.content_hash,
            "facts": json.dumps(seal.facts),
        },
    ).scalar_one()
    node = Node(0, seal.leaf_index)
    if nodes_of(session, REPORTS, {node}).get(node) != bytes(leaf):
        found.append("the leaf in the tree of reports is another one")
    first = session.scalar(
        select(func.min(SignedHead.head_number)).where(SignedHead.report_count > seal.leaf_index)
    )
    if seal.head_number != first:
        found.append("the first head with this report is another one")
    if tenant() is None:  # a customer's key is not shown every row behind a report
        facts = facts_of(session, report.customer_id, report.report_id)
        for table in sorted(facts.keys() | seal.facts.keys()):
            if facts.get(table) != seal.facts.get(table):
                found.append(f"rows of {table} were changed")
    return found


def _missing_reports(session: Session, customer: Customer) -> Iterator[str]:
    of_customer = BillingReport.customer_id == customer.customer_id
    last_report = select(func.max(BillingReport.period)).where(of_customer).scalar_subquery()
    closed_through, last = session.execute(
        select(Customer.closed_through, last_report).where(
            Customer.customer_id == customer.customer_id
        )
    ).one()
    if last != closed_through:
        closed = "nothing" if closed_through is None else Period(closed_through)
        yield f"the customer is closed through {closed}, which is not the last report's month"
    lost = select(func.count()).where(
        ReportSeal.customer_id == customer.customer_id,
        ~select(BillingReport.report_id)
        .where(of_customer, BillingReport.report_id == ReportSeal.report_id)
        .exists(),
    )
    if count := session.scalar(lost):
        yield f"{count} signed reports of this customer are missing"


def differing_heads(session: Session, settings: Settings) -> Iterator[str]:
    """What of the heads and of the trees beneath them is not as it was signed."""
    place = second_place(settings)
    keys = known_keys(session, settings)
    for stored_key in signing_keys(session):
        if stored_key.key_id not in keys:
            yield f"the key {stored_key.key_id} was not kept outside of the database"
    yield from _differing_rows(session)
    stored = {
        head.head_number: (head.statement, head.signature)
        for head in session.scalars(select(SignedHead).order_by(SignedHead.head_number))
    }
    heads = dict(stored)
    if place is not None:
        for kept in kept_heads(place):
            heads[kept["head"]] = kept["statement"], kept["signature"]
        for number in stored.keys() | heads.keys():
            if stored.get(number) != heads[number]:
                yield f"head {number} is not the one that was kept outside of the database"
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


def _differing_rows(session: Session) -> Iterator[str]:
    for key_id, raw in session.execute(select(SigningKey.key_id, SigningKey.public_key)):
        if key_id != PublicKey(bytes(raw)).key_id:
            yield f"the key {key_id} has the name of another one"
    for head in session.scalars(select(SignedHead).order_by(SignedHead.head_number)):
        try:
            counts = roots_in(head.statement)
        except ValueError:
            yield f"head {head.head_number} has no statement"
            continue
        if (head.report_count, head.audit_count) != (counts.report_count, counts.audit_count):
            yield f"the counts of head {head.head_number} are not those of its statement"


def _differing_tree(
    session: Session, tree: str, heads: dict[int, tuple[int, str]]
) -> Iterator[str]:
    growing, waiting = Growing(), sorted(heads.items())
    rows = session.execute(_SEALED[tree], {"first_leaf": 0}, execution_options=_STREAM)
    for row in rows:
        yield from _differing_heads(tree, growing, waiting)
        if row.leaf_index != growing.size:
            yield f"leaves of {tree} are missing before {_named(tree, row)}"
            return
        leaf = b"" if row.leaf is None else bytes(row.leaf)
        if not leaf:
            yield f"{_named(tree, row)} was deleted"
        nodes = growing.append(leaf)
        node, hashed = nodes[0]
        kept = nodes_of(session, tree, {each for each, _ in nodes})
        if leaf and kept.get(node) != hashed:
            yield f"{_named(tree, row)} was changed"
        elif any(kept.get(each) != known for each, known in nodes[1:]):
            yield f"nodes of the tree of {tree} were changed at {_named(tree, row)}"
    yield from _differing_heads(tree, growing, waiting)
    for number, (size, _) in waiting:
        yield f"head {number} holds {size} leaves of {tree}, and there are {growing.size}"


def _differing_heads(
    tree: str, growing: Growing, waiting: list[tuple[int, tuple[int, str]]]
) -> Iterator[str]:
    while waiting and waiting[0][1][0] == growing.size:
        number, (_, root) = waiting.pop(0)
        if growing.root.hex() != root:
            yield f"the {tree} are not those that head {number} was signed over"


def _named(tree: str, row: Row[tuple[object, ...]]) -> str:
    if tree == AUDIT:
        return f"audit entry {row.entry_id}"
    return f"the report {row.report_id} of {row.customer or row.customer_id}"
