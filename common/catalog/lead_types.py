"""Lead types: the kinds of lead that are accepted. A new one is a new row."""

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from common.audit_log import record_change
from common.catalog.models import LeadType


def list_lead_types(connection: Connection) -> list[str]:
    """The kinds of lead that are accepted, by name."""
    return list(connection.scalars(select(LeadType.lead_type).order_by(LeadType.lead_type)))


def add_lead_type(connection: Connection, name: str) -> bool:
    """Has leads of this type accepted from now on; says whether it is new."""
    statement = insert(LeadType).values(lead_type=name).on_conflict_do_nothing()
    is_new = connection.execute(statement).rowcount > 0
    if is_new:
        record_change(connection, "created", "lead_type", name, after={"lead_type": name})
    return is_new
