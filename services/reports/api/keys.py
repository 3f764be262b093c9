"""/keys: who may use the API; /audit: who changed what."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from common.access import api_keys
from common.access.api_keys import KeyPlace
from common.access.audit_log import AuditFilter, list_audit_entries
from common.enums import Role
from common.request_model import RequestModel
from services.reports.api.catalog import Name
from services.reports.api.dependencies import (
    Cursor,
    Id,
    PageSize,
    Range,
    Snapshot,
    Text,
    Transaction,
)
from services.reports.api.documents import audit_document, key_document
from services.reports.api.pagination import from_cursor, to_cursor
from services.reports.api.schemas import AuditListShape, KeyListShape, KeyShape, NewKeyShape

router = APIRouter(tags=["keys and audit"])

MAX_OVERLAP_HOURS = 24 * 30


class KeyBody(RequestModel):
    """A key to make. With `customer_id` it reaches that customer's data alone."""

    name: Name
    role: Role
    customer_id: Id | None = None


class RotationBody(RequestModel):
    """How much longer the old key works."""

    overlap_hours: Annotated[int, Field(strict=True, ge=0, le=MAX_OVERLAP_HOURS)] = 24


@router.get("/keys", response_model=None, responses={200: {"model": KeyListShape}})
def list_keys(connection: Snapshot, limit: PageSize = 50, cursor: Cursor = None) -> dict[str, Any]:
    """The keys, the newest first; those that ended too. Of a key itself only a hash is kept."""
    after = None if cursor is None else from_cursor(cursor, KeyPlace)
    found = api_keys.list_keys(connection, after, limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return {
        "data": [key_document(each) for each in found[:limit]],
        "next_cursor": last and to_cursor(KeyPlace(last.created_at, last.key_id)),
    }


@router.post("/keys", status_code=201, response_model=None, responses={201: {"model": NewKeyShape}})
def create_key(connection: Transaction, body: KeyBody, response: Response) -> dict[str, Any]:
    """Makes a key. `key` is shown in this answer and never again."""
    key, token = api_keys.create_key(connection, body.name, body.role, body.customer_id)
    return _shown_once(response, key_document(key), token.text)


@router.post(
    "/keys/{key_id}/rotate",
    status_code=201,
    response_model=None,
    responses={201: {"model": NewKeyShape}},
)
def rotate_key(
    connection: Transaction, key_id: Id, response: Response, body: RotationBody | None = None
) -> dict[str, Any]:
    """Makes another key in a key's place; the old one works for `overlap_hours` longer."""
    overlap = timedelta(hours=(body or RotationBody()).overlap_hours)
    key, token = api_keys.rotate_key(connection, key_id, overlap)
    return _shown_once(response, key_document(key), token.text)


@router.post("/keys/{key_id}/revoke", response_model=None, responses={200: {"model": KeyShape}})
def revoke_key(connection: Transaction, key_id: Id) -> dict[str, Any]:
    """Ends a key. Processes that have just seen it take it for KEY_CACHE_SECONDS more."""
    return key_document(api_keys.revoke_key(connection, key_id))


def _shown_once(response: Response, document: dict[str, Any], key: str) -> dict[str, Any]:
    response.headers["Cache-Control"] = "no-store"
    return document | {"key": key}


@router.get("/audit", response_model=None, responses={200: {"model": AuditListShape}})
def list_audit(
    connection: Snapshot,
    within: Annotated[Range, Depends()],
    actor: Text | None = None,
    action: Text | None = None,
    subject: Text | None = None,
    subject_id: Text | None = None,
    limit: PageSize = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Every change there was, the newest first: who, what, before and after.

    `from` and `to` are about when it was recorded; a bare date means midnight in UTC.
    """
    wanted = AuditFilter(
        actor, action, subject, subject_id, _moment(within.start), _moment(within.end)
    )
    after = None if cursor is None else from_cursor(cursor, int)
    found = list_audit_entries(connection, wanted, after, limit + 1)
    return {
        "data": [audit_document(each) for each in found[:limit]],
        "next_cursor": to_cursor(found[limit - 1].entry_id) if len(found) > limit else None,
    }


def _moment(moment: date | datetime | None) -> datetime | None:
    if moment is None or isinstance(moment, datetime):
        return moment
    return datetime.combine(moment, time(), ZoneInfo("UTC"))
