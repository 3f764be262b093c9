"""The templates of all pages, and how pages write money, time and addresses.

Invariant: everything in a page is escaped, and a name that a template lacks is an error.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from common.billing_period import Period, local
from common.money import CURRENCY
from services.reports.render.formatting import money, user_name


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates with their filters."""
    templates = Environment(
        loader=PackageLoader("services.reports.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        money=money,
        count="{:,}".format,
        local=local,
        user_name=user_name,
        short=_short,
        plain=_plain,
        iso=_iso,
        sentence=_sentence,
        place=_place,
        one_line=lambda text: "".join(each if each.isprintable() else " " for each in text),
        segment=lambda text: quote(text, safe=""),
        query=query,
        period_name=lambda month: Period(month).name if month > date.min else "the beginning",
        period=lambda month: str(Period(month)),
    )
    templates.globals.update(currency=CURRENCY)
    return templates


def query(values: Mapping[str, Any]) -> str:
    """The query of an address, without empty values."""
    return urlencode({name: value for name, value in values.items() if value not in {None, ""}})


def _sentence(detail: str) -> str:
    """A detail as a sentence; details start in lower case and have no full stop."""
    return detail[:1].upper() + detail[1:] + ("" if detail.endswith((".", "?")) else ".")


def _plain(value: object) -> str:
    """A JSON value for people."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _place(pointer: str) -> str:
    """A JSON pointer for people, who count from one: "/rates/3/amount" is "rates 4, amount"."""
    parts = [part for part in pointer.split("/") if part not in {"", "query", "path"}]
    words = [f" {int(part) + 1}" if part.isdecimal() else f", {part}" for part in parts]
    return "".join(words).removeprefix(", ").replace("_", " ")


def _short(moment: datetime, zone: str = "UTC") -> str:
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
