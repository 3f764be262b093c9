"""Checking a sealed report: its signature, its leaf, and the rows that it stands on.

Invariant: nothing here writes, and each finding names what differs.
"""

import json
from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.catalog.models import Customer
from common.database.transactions import tenant
from common.final_reports.models import BillingReport, ReportSeal
from common.proof.heads import signing_keys
from common.proof.merkle import Node
from common.proof.models import SignedHead
from common.proof.sealing import LEAF, REPORTS, facts_of, nodes_of
from common.proof.second_place import kept_keys, second_place
from common.proof.signing import PublicKey, key_id_of, report_statement
from common.settings import Settings


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
