"""/console/search: one box that finds customers, people, leads, reports and products."""

from fastapi import Request
from fastapi.responses import HTMLResponse

from common.reports.finding import LEADS_SEARCHED, find_anything
from common.settings import settings
from services.reports.api.dependencies import Snapshot
from services.reports.console.pages import page
from services.reports.http.routes import Router

router = Router()

MAX_WORDS = 320  # as long as an email may be


@router.get("/console/search", response_class=HTMLResponse)
def search(request: Request, session: Snapshot, q: str = "") -> HTMLResponse:
    """What the words are a name, an id, an email or a number of, whole or in part."""
    words = q.replace("\0", "").strip()[:MAX_WORDS]
    found = find_anything(session, words, settings().user_secret) if words else None
    return page(request, "search.html", "", words=words, found=found, leads_searched=LEADS_SEARCHED)
