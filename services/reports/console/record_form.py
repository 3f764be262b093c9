"""A form for one registered record, a customer or a product.

Someone who saves what somebody else has changed meanwhile is told so, and sees both versions.
"""

from typing import Any, NamedTuple

from fastapi import Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from common.problems import Conflict, Problem
from common.request_model import Id
from services.reports.console.forms import Fields, tag_of
from services.reports.console.pages import page

_FIELDS = ("id", "name", "email", "timezone", "description")


class IdBody(BaseModel):
    """The id that a form names."""

    id: Id


class Change(NamedTuple):
    """A field whose stored value differs from what the form says."""

    name: str
    stored: str
    theirs: str


def require_seen(form: Fields, stored: dict[str, str] | None) -> None:
    """Raises Conflict when the form was filled in on another state than the one stored."""
    seen = form.get("seen", "")
    if stored is None and seen:
        raise Conflict("it is not registered any more")
    if stored is not None and not seen:
        raise Conflict(f"{stored['id']!r} is registered already; its entries are below")
    if stored is not None and seen != tag_of(*stored.values()):
        raise Conflict("somebody else has changed it since you opened it; see below")


def form_page(
    request: Request,
    template: str,
    here: str,
    stored: dict[str, str] | None,
    values: dict[str, str],
    problem: Problem | None,
    **others: Any,
) -> HTMLResponse:
    """The form as it was filled in. After a conflict, saving again replaces what is stored now."""
    changes = [
        Change(name.capitalize(), text, values.get(name, ""))
        for name, text in (stored or {}).items()
        if isinstance(problem, Conflict) and values.get(name, "") != text
    ]
    return page(
        request,
        template,
        here,
        200 if problem is None else int(problem.status),
        values=dict.fromkeys(_FIELDS, "") | values,
        seen="" if stored is None else tag_of(*stored.values()),
        problem=problem,
        changes=changes,
        **others,
    )
