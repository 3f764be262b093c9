"""Erasing a user: the person goes, and every total, decision and hash stays as it is.

Invariant: what is left of an erased user is the keyed hash they are billed under, by which a later
lead of theirs still counts as a repeat, and is stored without the person too.
"""

from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from common import identifiers
from common.audit_log import record_change
from common.catalog.customers import get_customer as customer_of
from common.catalog.models import Customer
from common.database.deployment import require_known_hash_key
from common.database.locks import lock_customer
from common.database.sql_loader import load_statement
from common.identifiers import UserKind
from common.leads.models import Lead, QuarantinedLead
from common.problems import FieldError, Invalid
from common.settings import Settings

_IN_ORDER = (UserKind.EMAIL, UserKind.PHONE, UserKind.EXTERNAL_ID)

_ERASE = text(load_statement("leads", "erase_users"))


@dataclass(frozen=True, slots=True)
class Erased:
    """How much of a user was taken out."""

    leads: int
    quarantined_leads: int

    def __str__(self) -> str:
        return f"erased from {self.leads} leads and {self.quarantined_leads} in quarantine"


def erase_user(session: Session, customer: str, user: str, settings: Settings) -> Erased:
    """Takes out of a customer's leads, stored and quarantined, who a user is.

    `user` is an email, a phone number, an external id or a user key: its leads are those billed
    under it and those that carry it, and all that are billed under what these carry. They go on
    being billed under the same hash, and what arrives of the user later is stored without them
    too. Again, or for a user nobody knows, it changes nothing. Raises NotFound for the customer,
    and Invalid for a user that is no more than blanks.
    """
    found = customer_of(session, customer)
    customer_id = found.customer_id
    # A lead that is being stored at this moment is either seen below, or stored after we are done.
    lock_customer(session, customer_id)
    require_known_hash_key(session.connection(), settings)  # with another one nobody would be found
    person = _Person(found, user, settings.user_secret)
    if not person.keys:
        raise Invalid("the user is empty", [FieldError("/user", "empty", "must not be empty")])
    leads: list[UUID] = []
    quarantined: dict[UUID, UUID] = {}
    while person.has_grown():
        leads = person.leads(session)
        quarantined = person.quarantined(session)
    keys = [str(key) for key in sorted(person.keys)]
    row = session.execute(
        _ERASE,
        {
            "customer_id": str(customer_id),
            "user_keys": keys,
            "lead_ids": list(map(str, leads)),
            "quarantine_ids": list(map(str, quarantined)),
            "quarantined_user_keys": list(map(str, quarantined.values())),
        },
    ).one()
    erased = Erased(row.leads, row.quarantined_leads)
    after = {"customer_id": found.external_id, "user_keys": keys} | asdict(erased)
    record_change(session, "erased", "user", keys[0], after=after)
    return erased


class _Person:
    """All that is known of the user so far: the keys they are billed under."""

    def __init__(self, customer: Customer, user: str, secret: bytes) -> None:
        self._customer_id = customer.customer_id
        self._region = customer.phone_region
        self._secret = secret
        self._identities = identifiers.identities(user, self._region)
        self.keys = {self._key(kind, value) for kind, value in self._identities.items()}
        # No key of theirs before a lead of this customer is found under it.
        self._given_key = identifiers.canonical_uuid(user)
        self._known = 0

    def has_grown(self) -> bool:
        """Whether there are keys that were not there when it was last asked."""
        before, self._known = self._known, len(self.keys)
        return self._known > before

    def leads(self, session: Session) -> list[UUID]:
        """The user's stored leads, whose other identifiers become known."""
        columns = {
            UserKind.EMAIL: Lead.user_email,
            UserKind.PHONE: Lead.user_phone,
            UserKind.EXTERNAL_ID: Lead.user_external_id,
        }
        carries = [columns[kind] == value for kind, value in self._identities.items()]
        query = select(Lead.lead_id, Lead.user_key, *columns.values()).where(
            Lead.customer_id == self._customer_id,
            or_(Lead.user_key.in_({*self.keys, self._given_key} - {None}), *carries),
        )
        found = []
        for lead_id, key, *values in session.execute(query):
            found.append(lead_id)
            self.keys.add(key)
            self.keys.update(self._keys(dict(zip(columns, values, strict=True))))
        return found

    def quarantined(self, session: Session) -> dict[UUID, UUID]:
        """The user's quarantined leads, each with the key it will be billed under."""
        query = select(QuarantinedLead).where(
            QuarantinedLead.customer_id == self._customer_id, QuarantinedLead.lead.has_key("user")
        )
        found = {}
        for entry in session.scalars(query):
            user = entry.lead["user"]
            values = {kind: user.get(kind.value) for kind in _IN_ORDER}
            keys = self._keys(values)
            if keys and (
                keys[0] in {*self.keys, self._given_key}
                or any(
                    self._identity(kind, value) == self._identities.get(kind, "")
                    for kind, value in values.items()
                )
            ):
                found[entry.quarantine_id] = keys[0]
                self.keys.update(keys)
        return found

    def _keys(self, values: dict[UserKind, str | None]) -> list[UUID]:
        """The keys of what is usable, the one that the user is billed under first."""
        identities = {kind: self._identity(kind, value) for kind, value in values.items()}
        return [self._key(kind, value) for kind, value in identities.items() if value]

    def _identity(self, kind: UserKind, value: str | None) -> str | None:
        members = {kind.value: value}
        known = identifiers.user_identity(
            members.get("email"), members.get("phone"), members.get("external_id"), self._region
        )
        return known and known[1]

    def _key(self, kind: UserKind, value: str) -> UUID:
        return identifiers.user_key(self._secret, self._customer_id, kind, value)
