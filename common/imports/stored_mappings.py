"""Stored mappings: mappings that are kept under a name, to be chosen again.

Invariant: a name is of one customer's mapping, or of the operator's. The key of one customer
sees and changes that customer's mappings alone, every other key the operator's alone.
"""

import re
from collections.abc import Mapping as Members
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from common.access.authentication import Principal
from common.audit_log import record_change
from common.enums import Role
from common.imports.models import StoredMapping
from common.imports.presets import ChosenMapping, Preset, choose_mapping
from common.problems import FieldError, Forbidden, Invalid, NotFound

NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MAX_MAPPINGS = 500  # of one customer, or of the operator


def put_mapping(
    session: Session, principal: Principal, name: str, chosen: ChosenMapping
) -> tuple[StoredMapping, bool]:
    """Stores a mapping under its name, and says whether the name is new.

    Raises Forbidden, and Invalid for a name that it cannot have and for one mapping too many.
    """
    _require_right_to_change(principal)
    if not NAME.fullmatch(name):
        error = FieldError("/name", "invalid_name", "takes up to 64 letters, digits, . _ and -")
        raise Invalid("the name of a mapping was refused", [error])
    if name in set(Preset):
        error = FieldError("/name", "name_of_preset", "is the name of a preset")
        raise Invalid("a preset cannot be changed: choose another name", [error])
    query = _of(principal.customer_id).where(StoredMapping.name == name).with_for_update()
    before = _audited(session.scalars(query).one_or_none())
    if before is None and len(list_mappings(session, principal.customer_id)) >= MAX_MAPPINGS:
        raise Invalid(f"{MAX_MAPPINGS} mappings are stored: delete one first")
    statement = (
        insert(StoredMapping)
        .values(
            mapping_id=uuid4(),
            customer_id=principal.customer_id,
            name=name,
            mapping=chosen.document(),
        )
        .on_conflict_do_update(
            index_elements=[StoredMapping.customer_id, StoredMapping.name],
            set_={"mapping": chosen.document()},
        )
        .returning(StoredMapping)
        .execution_options(populate_existing=True)
    )
    stored = session.scalars(statement).one()
    action = "created" if before is None else "changed"
    after = _audited(stored)
    record_change(session, action, "mapping", name, before=before, after=after)
    return stored, before is None


def get_mapping(session: Session, customer_id: UUID | None, name: str) -> StoredMapping:
    """The mapping of a customer, or of the operator (None). Raises NotFound."""
    query = _of(customer_id).where(StoredMapping.name == name)
    # A text that is no name may hold what PostgreSQL does not take.
    found = session.scalars(query).one_or_none() if NAME.fullmatch(name) else None
    if found is None:
        raise NotFound(f"no mapping is stored under {name!r}")
    return found


def list_mappings(session: Session, customer_id: UUID | None) -> list[StoredMapping]:
    """All mappings of a customer, or of the operator (None), by name."""
    query = _of(customer_id).order_by(StoredMapping.name)
    return list(session.scalars(query))


def delete_mapping(session: Session, principal: Principal, name: str) -> None:
    """Raises Forbidden and NotFound."""
    _require_right_to_change(principal)
    found = get_mapping(session, principal.customer_id, name)
    record_change(session, "deleted", "mapping", name, before=_audited(found), after=None)
    session.delete(found)


def chosen_mapping(
    session: Session, principal: Principal, text: str | None, preset: str | None = None
) -> ChosenMapping:
    """The mapping that a request names: a stored one or a preset by name, or one as JSON.

    Raises Invalid, also for a name that nothing is stored under.
    """
    if not text or text.lstrip().startswith("{"):
        return choose_mapping(text, preset)
    if text in set(Preset):
        return choose_mapping(None, preset or text)
    try:
        stored = get_mapping(session, principal.customer_id, text)
    except NotFound as problem:
        error = FieldError(
            "/mapping", "unknown_mapping", "must be a stored mapping, a preset, or JSON"
        )
        raise Invalid(problem.detail, [error]) from None
    return choose_mapping(stored.mapping, preset)


def _of(customer_id: UUID | None) -> Select[StoredMapping]:
    # `is null` where it is null.
    return select(StoredMapping).where(StoredMapping.customer_id == customer_id)


def _require_right_to_change(principal: Principal) -> None:
    # The operator's mappings read everybody's files, and each key of its can use them.
    if principal.role is not Role.ADMIN and principal.customer_id is None:
        raise Forbidden("this takes an admin key, or the key of one customer for its mappings")


def _audited(stored: StoredMapping | None) -> Members[str, Any] | None:
    if stored is None:
        return None
    return {"customer_id": stored.customer_id, "mapping": stored.mapping}
