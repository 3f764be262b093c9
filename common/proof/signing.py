"""Signing with Ed25519: by a key in a file, or by KMS, which keeps the key to itself.

Invariant: a signature is a detached JWS (RFC 7515), and names its key by the key's thumbprint
(RFC 7638).
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
    load_pem_private_key,
)

from common.settings import Settings

ALGORITHM = "Ed25519"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key of 32 bytes."""

    raw: bytes

    @property
    def key_id(self) -> str:
        members = {"crv": ALGORITHM, "kty": "OKP", "x": _text(self.raw)}
        return _text(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())

    def as_jwk(self) -> dict[str, str]:
        return {
            "kty": "OKP",
            "crv": ALGORITHM,
            "x": _text(self.raw),
            "kid": self.key_id,
            "alg": ALGORITHM,
            "use": "sig",
        }

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, str]) -> "PublicKey":
        return cls(_bytes(jwk["x"]))

    def verifies(self, signature: str, payload: bytes) -> bool:
        """Whether a detached JWS is this key's, over this payload."""
        try:
            header, between, signed = signature.split(".")
            if between or json.loads(_bytes(header)) != _header(self.key_id):
                return False
            key = Ed25519PublicKey.from_public_bytes(self.raw)
            key.verify(_bytes(signed), f"{header}.{_text(payload)}".encode())
        except (ValueError, InvalidSignature):
            return False
        return True


class Signer(Protocol):
    """What signs: its public key, and signatures of 64 bytes."""

    @property
    def key(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes: ...


class KeyFile:
    """A private key in a file that only this account can read."""

    def __init__(self, path: Path) -> None:
        private = load_pem_private_key(path.read_bytes(), None)
        if not isinstance(private, Ed25519PrivateKey):
            raise ValueError(f"{path} holds no Ed25519 key")
        self._private = private
        self.key = PublicKey(private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


class KmsKey:
    """A key of KMS, of the kind ECC_NIST_EDWARDS25519, that never leaves it."""

    def __init__(self, name: str) -> None:
        import boto3  # noqa: PLC0415 - half a second, for deployments only

        self._name = name
        self._kms = boto3.client("kms")
        public = load_der_public_key(self._kms.get_public_key(KeyId=name)["PublicKey"])
        if not isinstance(public, Ed25519PublicKey):
            raise ValueError(f"{name} is no key of the kind ECC_NIST_EDWARDS25519")
        self.key = PublicKey(public.public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        answer = self._kms.sign(
            KeyId=self._name,
            Message=message,
            MessageType="RAW",
            SigningAlgorithm="ED25519_SHA_512",
        )
        signature: bytes = answer["Signature"]
        return signature


def signer_of(settings: Settings) -> Signer | None:
    """What this process signs with; None where nothing is configured."""
    if settings.signing_kms_key:
        return _kms_key(settings.signing_kms_key)
    if settings.signing_key_file is not None and settings.signing_key_file.exists():
        return KeyFile(settings.signing_key_file)
    return None


@lru_cache(maxsize=2)
def _kms_key(name: str) -> KmsKey:
    return KmsKey(name)


def sign(signer: Signer, payload: bytes) -> str:
    """A detached JWS over the payload: the header, nothing, and the signature."""
    header = _text(json.dumps(_header(signer.key.key_id), separators=(",", ":")).encode())
    return f"{header}..{_text(signer.sign(f'{header}.{_text(payload)}'.encode()))}"


def key_id_of(signature: str) -> str | None:
    """Which key a detached JWS says it is of."""
    try:
        key_id = json.loads(_bytes(signature.partition(".")[0]))["kid"]
    except (ValueError, KeyError, TypeError):
        return None
    return key_id if isinstance(key_id, str) else None


def make_key_file(path: Path) -> PublicKey:
    """Makes a key in a file that only this account can read. Raises FileExistsError."""
    private = Ed25519PrivateKey.generate()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return PublicKey(private.public_key().public_bytes_raw())


def canonical(content: list[Any] | Mapping[str, Any]) -> bytes:
    """JSON in UTF-8, members separated by a comma and a space (docs/verification.md)."""
    return json.dumps(content, ensure_ascii=False, separators=(", ", ": ")).encode()


def report_statement(issuer: str, customer: str, period: str, number: str, digest: str) -> bytes:
    """What the signature of a final report is over; `digest` is its content hash."""
    return canonical(["lead-billing-signature/1", issuer, customer, period, number, digest])


def _header(key_id: str) -> dict[str, str]:
    return {"alg": ALGORITHM, "kid": key_id}


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
