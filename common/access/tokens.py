"""The text of an API key, and the hash that is stored of it.

Invariant: a key is random enough that a plain hash of it reveals nothing. Nothing is imported but
the standard library, since `scripts.stack` runs on a machine that has nothing else.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass

_FORM = re.compile(r"lbk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Token:
    """A key as its holder sends it: `lbk_`, the id it is looked up by, `_`, 256 random bits."""

    key_id: str
    text: str

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()

    @staticmethod
    def new() -> "Token":
        key_id = secrets.token_hex(6)
        return Token(key_id, f"lbk_{key_id}_{secrets.token_urlsafe(32)}")

    @staticmethod
    def parse(text: str) -> "Token | None":
        """The key that a text is, None when it is none."""
        found = _FORM.fullmatch(text)
        return found and Token(found[1], text)
