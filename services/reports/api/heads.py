"""Signing keys, signed heads, and proofs of what they hold (docs/verification.md)."""

from typing import Annotated

from fastapi import Query

from common.proof.heads import (
    head_of_period,
    list_heads,
    prove_consistency,
    prove_inclusion,
    signing_keys,
)
from common.request_model import Id
from services.reports.api.dependencies import Cursor, PageSize, Snapshot, period_of
from services.reports.api.pagination import HEADS, MAX_INTEGER
from services.reports.api.schemas.heads import Consistency, Head, HeadList, Inclusion, SigningKeys
from services.reports.http.routes import Router

router = Router(tags=["signatures"])
HeadNumber = Annotated[int, Query(ge=1, le=MAX_INTEGER, description="Number of a head.")]


@router.get("/.well-known/jwks.json")
def list_signing_keys(session: Snapshot) -> SigningKeys:
    """The keys that final reports and heads were signed with, those of old too.

    Keep the key that you first received: whoever owns the database could add one here.
    """
    return SigningKeys.from_keys(signing_keys(session))


@router.get("/billing/heads")
def list_signed_heads(session: Snapshot, limit: PageSize = 50, cursor: Cursor = None) -> HeadList:
    """The signed heads, newest first: each is over all final reports that were closed before it."""

    def find(after: int | None, most: int) -> list[Head]:
        return [Head.from_head(head) for head in list_heads(session, after, most)]

    return HEADS.answer(HeadList, find, cursor, limit)


@router.get("/billing/heads/consistency")
def show_consistency(
    session: Snapshot,
    earlier: Annotated[HeadNumber, Query(alias="from")],
    later: Annotated[HeadNumber | None, Query(alias="to")] = None,
) -> Consistency:
    """The proof that a head, by default the newest one, goes on with what an earlier one holds."""
    return Consistency.from_proof(*prove_consistency(session, earlier, later))


@router.get("/billing/heads/{period}")
def show_head(session: Snapshot, period: str) -> Head:
    """The first signed head with every report of a period that you are shown."""
    return Head.from_head(head_of_period(session, period_of(period)))


@router.get("/billing/reports/{customer_id:id}/{period}/inclusion")
def show_inclusion(
    session: Snapshot, customer_id: Id, period: str, head: HeadNumber | None = None
) -> Inclusion:
    """The proof that a head, by default the newest one, holds a final report."""
    return Inclusion.from_proof(prove_inclusion(session, customer_id, period_of(period), head))
