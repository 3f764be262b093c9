"""The console's pages: templates, what every page knows, and how it writes money and time.

Invariant: everything in a page is escaped, every link in it is relative to the page's own address
(so that it works behind any prefix), and a name that a template lacks is an error.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from common.access.authentication import Principal
from common.billing_period import Period
from common.enums import Role
from common.money import CURRENCY
from services.reports.render.formatting import local, money

MEDIA_TYPE = "text/html; charset=utf-8"
# Where a page of the report's kind, /billing/reports/{customer}/{period}, stands.
REPORT_ROOT = "../../../"

# Name, address from the root, and what the page says it is in `here`.
_FOR_READERS = [
    ("Overview", "", "overview"),
    ("Reports", "console/reports", "reports"),
    ("Leads", "console/leads", "leads"),
    ("Quarantine", "console/quarantine", "quarantine"),
    ("Disputes", "console/disputes", "disputes"),
    ("Billing runs", "console/runs", "runs"),
    ("Customers", "console/customers", "customers"),
    ("Products", "console/products", "products"),
    ("Rate cards", "console/rate-cards", "rate_cards"),
]
_FOR_ADMINS = [
    *_FOR_READERS[:5],
    ("Close a month", "console/close", "close"),
    *_FOR_READERS[5:],
    ("API keys", "console/keys", "keys"),
    ("Audit", "console/audit", "audit"),
]


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page is told: the way back to the root, where in the console it is, for whom."""

    root: str
    here: str = ""
    caller: Principal | None = None

    @property
    def may_change(self) -> bool:
        """Whether to show what only an admin may open or press (http/authorization.py)."""
        return self.caller is not None and self.caller.role is Role.ADMIN

    @property
    def navigation(self) -> list[tuple[str, str, str]]:
        return _FOR_ADMINS if self.may_change else _FOR_READERS


def frame_of(request: Request, here: str = "") -> Frame:
    """The frame of the page at the request's address."""
    raw = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    depth = raw.partition(b"?")[0].count(b"/") - 1
    return Frame("../" * depth or "./", here, getattr(request.state, "caller", None))


def page(
    request: Request, template: str, here: str, status_code: int = 200, **values: Any
) -> HTMLResponse:
    """A page of the console. `here`: its place in the navigation."""
    made = environment().get_template(template)
    return HTMLResponse(made.render(frame=frame_of(request, here), **values), status_code)


def see_other(request: Request, address: str) -> RedirectResponse:
    """Sends a browser on after a form was posted. `address`: from the root, without a slash."""
    return RedirectResponse(frame_of(request).root + address, 303)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates with their filters."""
    made = Environment(
        loader=PackageLoader("services.reports.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        money=money,
        count="{:,}".format,
        local=local,
        short=_short,
        plain=_plain,
        iso=_iso,
        sentence=_sentence,
        place=_place,
        segment=lambda text: quote(text, safe=""),
        query=query,
        period_name=lambda month: Period(month).name if month > date.min else "the beginning",
        period=lambda month: str(Period(month)),
    )
    made.globals.update(currency=CURRENCY)
    return made


def query(values: Mapping[str, Any]) -> str:
    """The values that are there as the query of an address."""
    return urlencode({name: value for name, value in values.items() if value not in {None, ""}})


def _sentence(detail: str) -> str:
    """An error's words as a sentence; ours begin small and end without a stop."""
    return detail[:1].upper() + detail[1:] + ("" if detail.endswith((".", "?")) else ".")


def _plain(value: object) -> str:
    """A value of a JSON document for people."""
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
