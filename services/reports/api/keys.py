"""/keys: who may use the API."""

from datetime import timedelta

from fastapi import APIRouter, Response

from common.access import api_keys
from common.access.api_keys import KeyPlace
from common.request_model import Id
from services.reports.api.dependencies import Cursor, PageSize, Snapshot, Transaction
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.api.schemas.keys import Key, KeyBody, KeyList, NewKey, RotationBody

router = APIRouter(prefix="/keys", tags=["keys and audit"])


@router.get("")
def list_keys(session: Snapshot, limit: PageSize = 50, cursor: Cursor = None) -> KeyList:
    """The keys, newest first, those that ended included. Only a hash of each key is stored."""
    after = None if cursor is None else from_cursor(cursor, KeyPlace)
    page, last = cut_page(api_keys.list_keys(session, after, limit + 1), limit)
    return KeyList(
        data=[Key.from_stored(key) for key in page],
        next_cursor=last and to_cursor(KeyPlace(last.created_at, last.key_id)),
    )


@router.post("", status_code=201)
def create_key(session: Transaction, body: KeyBody, response: Response) -> NewKey:
    """Creates a key. `key` is shown in this answer only."""
    key, token = api_keys.create_key(session, body.name, body.role, body.customer_id)
    response.headers["Cache-Control"] = "no-store"
    return NewKey.from_token(key, token.text)


@router.post("/{key_id}/rotate", status_code=201)
def rotate_key(
    session: Transaction, key_id: Id, response: Response, body: RotationBody | None = None
) -> NewKey:
    """Creates another key in a key's place; the old one works for `overlap_hours` longer."""
    overlap = timedelta(hours=(body or RotationBody()).overlap_hours)
    key, token = api_keys.rotate_key(session, key_id, overlap)
    response.headers["Cache-Control"] = "no-store"
    return NewKey.from_token(key, token.text)


@router.post("/{key_id}/revoke")
def revoke_key(session: Transaction, key_id: Id) -> Key:
    """Revokes a key. A process that has cached it accepts it for KEY_CACHE_SECONDS more."""
    return Key.from_stored(api_keys.revoke_key(session, key_id))
