"""The frame of the console's pages: the menu, the path to the root, and the principal.

Invariant: every link is relative to the page's own address, so that it works under any prefix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse

from common.access.authentication import Principal
from common.enums import Role
from common.problems import Problem
from services.reports.render.templates import environment

# The root, from a page of a report: /billing/reports/{customer}/{period}.
REPORT_ROOT = "../../../"

# The name of each page in the menu, and its address from the root.
_NAVIGATION = [
    ("Overview", ""),
    ("Reports", "console/reports"),
    ("Leads", "console/leads"),
    ("Import", "console/imports"),
    ("Exports", "console/exports"),
    ("Quarantine", "console/quarantine"),
    ("Disputes", "console/disputes"),
    ("Close a month", "console/close"),
    ("Billing runs", "console/runs"),
    ("Customers", "console/customers"),
    ("Products", "console/products"),
    ("Rate cards", "console/rate-cards"),
    ("Webhooks", "console/webhooks"),
    ("API keys", "console/keys"),
    ("Audit", "console/audit"),
]
_FOR_ADMINS = {"Import", "Close a month", "API keys", "Audit"}


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page needs: the path to the root, its name in the menu, and the principal."""

    root: str
    here: str = ""
    principal: Principal | None = None

    @property
    def may_change(self) -> bool:
        """Whether to show what requires an admin (http/authorization.py)."""
        return self.principal is not None and self.principal.role is Role.ADMIN

    @property
    def sees_people(self) -> bool:
        """Whether the page shows users in full."""
        return self.principal is not None and self.principal.sees_people

    @property
    def may_search(self) -> bool:
        """Whether to show the search box: to whom the pages are for, once signed in."""
        return self.principal is not None and self.principal.role is not Role.INGEST

    @property
    def navigation(self) -> list[tuple[str, str]]:
        return [entry for entry in _NAVIGATION if self.may_change or entry[0] not in _FOR_ADMINS]


def frame_of(request: Request, here: str = "") -> Frame:
    """The frame of the page at the request's address."""
    raw = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    depth = raw.partition(b"?")[0].count(b"/") - 1
    return Frame("../" * depth or "./", here, getattr(request.state, "principal", None))


def page(
    request: Request, template: str, here: str, problem: Problem | None = None, **values: Any
) -> HTMLResponse:
    """A page of the console. `here`: its name in the menu; `problem`: why a form was refused."""
    text = environment().get_template(template)
    html = text.render(frame=frame_of(request, here), problem=problem, **values)
    return HTMLResponse(html, 200 if problem is None else int(problem.status))


def list_page(
    request: Request,
    template: str,
    here: str,
    listed: tuple[Sequence[Any], str | None],
    filters: Sequence[str] = (),
    **values: Any,
) -> HTMLResponse:
    """A page of a list: its rows with the cursor of the next page.

    `filters`: the parameters of the query that the page offers as filters.
    """
    rows, next_cursor = listed
    chosen = {name: request.query_params.get(name) for name in filters}
    return page(
        request,
        template,
        here,
        rows=rows,
        next_cursor=next_cursor,
        filters=chosen,
        is_filtered=any(chosen.values()),
        **values,
    )


def see_other(request: Request, address: str) -> RedirectResponse:
    """Redirects after a form was posted. `address`: from the root, without a slash."""
    return RedirectResponse(frame_of(request).root + address, 303)
