"""Reading lines of a final report by their numbers, which they keep for good."""

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from common.database.sql_loader import load_statement
from common.final_reports.models import BillingReport
from common.rating.line import LINES_AT_ONCE, LineKey, line_key_parameters
from common.reports.line_search import ALL_LINES, LineSearch

_LINES = text(load_statement("reports", "final_lines"))
_LINE_NUMBER = text(load_statement("reports", "final_line_number"))


class FinalLines(NamedTuple):
    """Some lines of a final report: behind the number `after`, up to `last`."""

    report: BillingReport
    after: int
    last: int

    def parameters(self) -> dict[str, Any]:
        return {
            "customer_id": str(self.report.customer_id),
            "report_id": str(self.report.report_id),
            "after_line": self.after,
            "last_line": self.last,
        }


def own_lines_of(report: BillingReport) -> FinalLines:
    """The lines of the report's own month."""
    return FinalLines(report, 0, report.action_count)


def prior_lines_of(report: BillingReport) -> FinalLines:
    """The prior-period lines, which stand behind the month's own."""
    own = report.action_count
    return FinalLines(report, own, own + report.prior_action_count)


def lines_in(
    session: Session, part: FinalLines, search: LineSearch, most: int | None
) -> Iterator[Row[Any]]:
    """The lines that are searched for, in order: at most so many. They stream."""
    parameters = part.parameters() | {
        "search": search.parameters()["search"],
        "is_filtered": search != ALL_LINES,
        "max_lines": most,
    }
    return iter(
        session.execute(
            _LINES,
            parameters,
            execution_options={"stream_results": True, "yield_per": LINES_AT_ONCE},
        )
    )


def number_of(session: Session, part: FinalLines, period: date, key: LineKey) -> int:
    """The number of the last line up to a place of the month `period`; else of the line before."""
    parameters = part.parameters() | {"period": period} | line_key_parameters(key)
    number = session.execute(_LINE_NUMBER, parameters).scalar_one()
    return part.after if number is None else int(number)
