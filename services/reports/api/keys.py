"""/keys: who may use the API."""

from datetime import timedelta
from functools import partial

from common.access import api_keys
from common.request_model import Id
from services.reports.api.dependencies import Cursor, PageSize, Snapshot, Transaction
from services.reports.api.pagination import KEYS
from services.reports.api.schemas.keys import Key, KeyBody, KeyList, NewKey, RotationBody
from services.reports.http.routes import Router

router = Router(prefix="/keys", tags=["keys and audit"])


@router.get("")
def list_keys(session: Snapshot, limit: PageSize = 50, cursor: Cursor = None) -> KeyList:
    """The keys, newest first, those that ended included. Only a hash of each key is stored."""
    return KEYS.answer(KeyList, partial(api_keys.list_keys, session), cursor, limit)


@router.post("", status_code=201)
def create_key(session: Transaction, body: KeyBody) -> NewKey:
    """Creates a key. `key` is shown in this answer only."""
    key, token = api_keys.create_key(session, body.name, body.role, body.customer_id)
    return NewKey.from_token(key, token.text)


@router.post("/{key_id}/rotate", status_code=201)
def rotate_key(session: Transaction, key_id: Id, body: RotationBody | None = None) -> NewKey:
    """Creates another key in a key's place; the old one works for `overlap_hours` longer."""
    overlap = timedelta(hours=(body or RotationBody()).overlap_hours)
    key, token = api_keys.rotate_key(session, key_id, overlap)
    return NewKey.from_token(key, token.text)


@router.post("/{key_id}/revoke")
def revoke_key(session: Transaction, key_id: Id) -> Key:
    """Revokes a key. A process that has cached it accepts it for KEY_CACHE_SECONDS more."""
    return Key.model_validate(api_keys.revoke_key(session, key_id))
