"""Lead types: the kinds of lead that are accepted. A new one is a new row.

Invariant: two spellings that read alike are one lead type (docs/billing-rules.md, Duplicate).
"""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from common.audit_log import record_change
from common.catalog.models import LeadType
from common.normalization import folded_label, visible_text


def list_lead_types(session: Session) -> list[str]:
    """The kinds of lead that are accepted, by name."""
    return list(session.scalars(select(LeadType.lead_type).order_by(LeadType.lead_type)))


def lead_types_named(session: Session, texts: Iterable[str]) -> dict[str, str]:
    """The lead types that texts name in any spelling, by text; an unknown one is left out."""
    keys = {text: folded_label(text) for text in texts}
    query = select(LeadType.lead_type_key, LeadType.lead_type)
    names = dict(session.execute(query.where(LeadType.lead_type_key.in_(set(keys.values())))).all())
    return {text: names[key] for text, key in keys.items() if key in names}


def add_lead_type(session: Session, name: str) -> bool:
    """Accepts leads of this type from now on; returns whether the type is new."""
    name = " ".join(visible_text(name).split())
    values = {"lead_type": name, "lead_type_key": folded_label(name)}
    statement = insert(LeadType).values(values).on_conflict_do_nothing()
    is_new = session.scalar(statement.returning(LeadType.lead_type)) is not None
    if is_new:
        record_change(session, "created", "lead_type", name, after={"lead_type": name})
    return is_new
