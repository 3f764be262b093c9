"""A text that the next page shows, and no page after it: a new secret behind a redirect.

Invariant: it is with the browser that caused it alone, for a minute at most, and no script reads
it.
"""

from typing import Literal, TypedDict

from fastapi import Request, Response

from common.this_machine import names_this_machine


class _Attributes(TypedDict):
    httponly: bool
    samesite: Literal["strict"]
    secure: bool


COOKIE = "lead_billing_shown_once"
_SECONDS = 60


def show_once(request: Request, answer: Response, text: str) -> None:
    """Gives a redirect the text that its page shows."""
    answer.set_cookie(COOKIE, text, max_age=_SECONDS, **_attributes(request))


def shown_once(request: Request) -> str | None:
    """The text for this page; `forget_shown` goes with its answer."""
    return request.cookies.get(COOKIE)


def forget_shown(request: Request, answer: Response) -> None:
    answer.delete_cookie(COOKIE, **_attributes(request))


def _attributes(request: Request) -> _Attributes:
    return {
        "httponly": True,
        "samesite": "strict",
        "secure": not names_this_machine(request.headers.get("host", "")),
    }
