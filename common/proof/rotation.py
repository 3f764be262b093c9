"""Replacing the key in a file that reports and heads are signed with.

Invariant: what the old key signed stays verifiable, as its public half stays in `jwks.json` and in
the second place. The head that follows is signed with the new key, and is over all of it.
"""

import os
from pathlib import Path
from typing import NamedTuple

from common.audit_log import record_change
from common.database.transactions import transaction
from common.proof.sealing import seal
from common.proof.signing import KeyFile, PublicKey, make_key_file
from common.settings import Settings


class Rotated(NamedTuple):
    """The keys before and after."""

    old: PublicKey
    new: PublicKey


def rotate_key_file(known: Settings, path: Path) -> Rotated:
    """Signs what is left with the old key, replaces it, and signs a head with the new one.

    The old private key is deleted. Raises FileNotFoundError without a key, and HistoryRewritten.
    """
    old = KeyFile(path).key
    while seal(known):
        pass
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    new = make_key_file(unfinished)
    os.replace(unfinished, path)
    with transaction() as session:
        before, after = {"key_id": old.key_id}, {"key_id": new.key_id}
        record_change(session, "rotated", "signing_key", new.key_id, before=before, after=after)
    while seal(known):
        pass
    return Rotated(old, new)
