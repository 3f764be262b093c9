"""Signing keys, signed heads, and proofs of what they hold."""

from typing import Literal

from pydantic import Field

from common.proof import heads
from common.proof.models import SignedHead
from common.proof.sealing import roots_in
from common.proof.signing import PublicKey
from services.reports.api.schemas.answer import Answer, Page


class SigningKey(Answer):
    """A public key, as a JSON Web Key (RFC 8037)."""

    kty: Literal["OKP"] = Field("OKP", description="The kind of key (RFC 8037).")
    crv: Literal["Ed25519"] = Field("Ed25519", description="The curve.")
    x: str = Field(description="The public key, in base64url.")
    kid: str = Field(description="The key's thumbprint (RFC 7638).")
    alg: str = Field(description="What it signs with: Ed25519.")
    use: str = Field(description="What it is for: `sig`.")


class SigningKeys(Answer):
    """The keys that reports and heads were ever signed with, the newest first."""

    keys: list[SigningKey] = Field(description="A JSON Web Key Set (RFC 7517).")

    @classmethod
    def from_keys(cls, keys: list[PublicKey]) -> "SigningKeys":
        return cls(keys=[SigningKey.model_validate(key.as_jwk()) for key in keys])


class Head(Answer):
    """A signed head: the Merkle roots over all final reports and over the audit log."""

    head: int = Field(description="Its number; heads count from 1.")
    short_form: str = Field(description="As statements and their mails show it.")
    made_at: str = Field(description="When it was made.")
    reports: int = Field(description="How many final reports it holds.")
    reports_root: str = Field(description="Root of the tree of reports, in hex.")
    audit_entries: int = Field(description="How many audit entries it holds.")
    audit_root: str = Field(description="Root of the tree of audit entries, in hex.")
    statement: str = Field(description="The exact text that is signed.")
    signature: str = Field(description="JWS, compact and detached, over `statement`.")

    @classmethod
    def from_head(cls, stored: SignedHead) -> "Head":
        roots = roots_in(stored.statement)
        return cls(
            head=stored.head_number,
            short_form=heads.short_form(stored),
            made_at=stored.made_at.isoformat(),
            reports=roots.report_count,
            reports_root=roots.report_root,
            audit_entries=roots.audit_count,
            audit_root=roots.audit_root,
            statement=stored.statement,
            signature=stored.signature,
        )


class HeadList(Page[Head]):
    """A page of heads, the newest first."""


class Inclusion(Answer):
    """The proof that a head holds a report (RFC 9162, 2.1.3)."""

    customer_id: str = Field(description="The customer of the report.")
    period: str = Field(description="The month of the report.")
    content_hash: str = Field(description="Part of the leaf: the hash of the report.")
    head: Head = Field(description="The head that holds the report.")
    leaf_index: int = Field(description="Place of the report's leaf; the first is 0.")
    facts_hash: str = Field(description="Part of the leaf: of the rows that the report stands on.")
    path: list[str] = Field(description="The hashes of the proof, in hex.")

    @classmethod
    def from_proof(cls, proof: heads.Inclusion) -> "Inclusion":
        return cls(
            customer_id=proof.customer,
            period=str(proof.period),
            content_hash=proof.content_hash,
            head=Head.from_head(proof.head),
            leaf_index=proof.leaf_index,
            facts_hash=proof.facts_hash,
            path=[each.hex() for each in proof.path],
        )


class Consistency(Answer):
    """The proof that a head goes on with what an earlier one holds (RFC 9162, 2.1.4)."""

    earlier: Head = Field(description="The head that was before.")
    later: Head = Field(description="The head that goes on with it.")
    path: list[str] = Field(description="The hashes of the proof, in hex.")

    @classmethod
    def from_proof(cls, earlier: SignedHead, later: SignedHead, path: list[bytes]) -> "Consistency":
        return cls(
            earlier=Head.from_head(earlier),
            later=Head.from_head(later),
            path=[each.hex() for each in path],
        )
