"""Lead types: the kinds of lead that are accepted. A new one is a new row."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from common.audit_log import record_change
from common.catalog.models import LeadType


def list_lead_types(session: Session) -> list[str]:
    """The kinds of lead that are accepted, by name."""
    return list(session.scalars(select(LeadType.lead_type).order_by(LeadType.lead_type)))


def add_lead_type(session: Session, name: str) -> bool:
    """Has leads of this type accepted from now on; says whether it is new."""
    statement = insert(LeadType).values(lead_type=name).on_conflict_do_nothing()
    is_new = session.scalar(statement.returning(LeadType.lead_type)) is not None
    if is_new:
        record_change(session, "created", "lead_type", name, after={"lead_type": name})
    return is_new
