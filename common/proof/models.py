"""The tables of signing keys, signed heads and the two Merkle trees."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from common.database.base import Base, ByteOrdered, refers_to, stored_at


class SigningKey(Base):
    """The public half of a key that reports or heads were signed with."""

    __tablename__ = "signing_keys"

    key_id: Mapped[str] = mapped_column(ByteOrdered, primary_key=True)
    algorithm: Mapped[str]
    public_key: Mapped[bytes]
    created_at: Mapped[datetime] = stored_at()


class SignedHead(Base):
    """The signed roots over all final reports, and over the audit log, at one time."""

    __tablename__ = "signed_heads"

    head_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    made_at: Mapped[datetime]
    report_count: Mapped[int] = mapped_column(BigInteger)
    audit_count: Mapped[int] = mapped_column(BigInteger)
    statement: Mapped[str]
    signature: Mapped[str]


class MerkleNode(Base):
    """A complete subtree of one of the two trees: `reports` and `audit`."""

    __tablename__ = "merkle_nodes"

    tree: Mapped[str] = mapped_column(ByteOrdered, primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes]


class AuditSeal(Base):
    """Where an audit entry stands in the tree of all of them."""

    __tablename__ = "audit_seals"

    entry_id: Mapped[int] = mapped_column(
        BigInteger,
        primary_key=True,
        autoincrement=False,
        info=refers_to("audit_log.entry_id"),
    )
    leaf_index: Mapped[int] = mapped_column(BigInteger)
