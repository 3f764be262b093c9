"""A report as a page to read and to print."""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from common.billing import CURRENCY, Report, amount, total_of

MEDIA_TYPE = "text/html; charset=utf-8"
_PIECES_AT_ONCE = 200


def render(report: Report) -> Iterator[bytes]:
    """The page in pieces, so that no more than some lines are held at once."""
    stream = (
        pages()
        .get_template("report.html")
        .stream(
            report=report,
            prior_totals=total_of(report.prior_period),
            zone=ZoneInfo(report.timezone),
        )
    )
    stream.enable_buffering(_PIECES_AT_ONCE)
    return (piece.encode() for piece in stream)


@lru_cache(maxsize=1)
def pages() -> Environment:
    """The templates: everything is escaped, and a name that is missing is an error."""
    environment = Environment(
        loader=PackageLoader("services.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["money"] = _money
    environment.filters["local"] = _local
    environment.globals["currency"] = CURRENCY
    return environment


def _money(cents: int) -> str:
    whole, fraction = amount(cents).split(".")
    return f"{int(whole):,}.{fraction}"


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"
