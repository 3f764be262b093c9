"""Which billing runs a request may show: all of them, or a tenant those that were about it."""

from sqlalchemy import ColumnElement, select, true, union

from common.database.transactions import tenant
from common.final_reports.models import BillingReport, BillingRun, ParkedCustomer


def is_shown() -> ColumnElement[bool]:
    owner = tenant()
    if owner is None:
        return true()
    about_tenant = (
        select(source.run_id).where(source.customer_id == owner)
        for source in (BillingReport, ParkedCustomer)
    )
    return BillingRun.run_id.in_(union(*about_tenant))
