"""The totals of final reports, as the list of reports shows them."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.enums import ReportStatus
from common.rating.period_totals import Entry, entry_rows
from common.rating.scope import Scope

_REPORT_TOTALS = text(load_statement("final_reports", "report_totals"))


def final_entries(session: Session, scope: Scope) -> list[Entry]:
    """The totals of the lines that `scope` shows of final reports."""
    return entry_rows(session, _REPORT_TOTALS, scope, ReportStatus.FINAL)
