"""An export of one report, for a file that is too large to be answered.

Invariant: who asks again gets the same export, as long as its file is what would be made now: a
final report's while it is kept, a draft's for some minutes.
"""

from datetime import timedelta

from sqlalchemy import Select, func, literal, or_, select
from sqlalchemy.orm import Session

from common import identifiers
from common.access.authentication import Principal
from common.database.locks import lock_orders
from common.database.transactions import acting_as, transaction
from common.exports.jobs import ExportOrder, add_export
from common.exports.models import Export
from common.final_reports.models import LateAction
from common.leads.models import Action
from common.reports.months import Month

_DRAFTS_ARE_FOUND_FOR = timedelta(minutes=5)


def find_or_order(order: ExportOrder, principal: Principal) -> Export:
    """The export that this key has of the same report, or else a new one in the queue."""
    order.check()
    with acting_as(principal.actor), transaction() as session:
        lock_orders(session, principal.key_id)
        found = session.scalars(_found(order, principal)).first()
        return found or add_export(session, order, principal)


def count_lines(session: Session, month: Month, most: int | None = None) -> int:
    """How many lines a report has. Of a draft, no more than `most` are counted."""
    if month.final is not None:
        return month.final.action_count + month.final.prior_action_count
    if month.closed_with is not None:
        return 0
    owner = month.customer.customer_id
    own = (
        select(literal(1))
        .where(
            Action.customer_id == owner,
            Action.timestamp >= func.local_midnight(month.period.start, month.timezone),
            Action.timestamp < func.period_end(month.period.start, month.timezone),
        )
        .limit(most)
    )
    count = select(func.count()).select_from(own.subquery()).scalar_subquery()
    late = select(func.count()).where(LateAction.customer_id == owner).scalar_subquery()
    found = session.scalar(select(count + late if month.is_first_open else count))
    return found or 0


def _found(order: ExportOrder, principal: Principal) -> Select[Export]:
    owners = [identifiers.customer_id(name) for name in order.customers or ()]
    is_kept = or_(
        Export.finished_at.is_(None),
        (Export.file_name.is_not(None)) & (Export.expires_at > func.now()),
    )
    query = select(Export).where(
        Export.created_by == principal.key_id,
        Export.kind == order.kind,
        Export.format == order.format,
        Export.period == order.period,
        Export.customer_ids == owners,
        Export.unmasked == order.unmasked,
        Export.content_hash.is_not_distinct_from(order.content_hash),
        is_kept,
    )
    if order.content_hash is None:
        is_new = Export.finished_at > func.now() - _DRAFTS_ARE_FOUND_FOR
        query = query.where(or_(Export.finished_at.is_(None), is_new))
    return query.order_by(Export.created_at.desc()).limit(1)
