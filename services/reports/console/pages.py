"""The frame of the console's pages: navigation, the way back to the root, and who looks.

Invariant: every link is relative to the page's own address, so that it works behind any prefix.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse

from common.access.authentication import Principal
from common.enums import Role
from services.reports.render.templates import environment

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
    """What every page needs: the path to the root, its place in the navigation, the principal."""

    root: str
    here: str = ""
    principal: Principal | None = None

    @property
    def may_change(self) -> bool:
        """Whether to show what requires an admin (http/authorization.py)."""
        return self.principal is not None and self.principal.role is Role.ADMIN

    @property
    def navigation(self) -> list[tuple[str, str, str]]:
        return _FOR_ADMINS if self.may_change else _FOR_READERS


def frame_of(request: Request, here: str = "") -> Frame:
    """The frame of the page at the request's address."""
    raw = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    depth = raw.partition(b"?")[0].count(b"/") - 1
    return Frame("../" * depth or "./", here, getattr(request.state, "principal", None))


def page(
    request: Request, template: str, here: str, status_code: int = 200, **values: Any
) -> HTMLResponse:
    """A page of the console. `here`: its place in the navigation."""
    made = environment().get_template(template)
    return HTMLResponse(made.render(frame=frame_of(request, here), **values), status_code)


def see_other(request: Request, address: str) -> RedirectResponse:
    """Redirects after a form was posted. `address`: from the root, without a slash."""
    return RedirectResponse(frame_of(request).root + address, 303)
