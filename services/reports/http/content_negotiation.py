"""The format of a report that a request asks for: by extension, or else by its Accept header.

Invariant: an extension always wins, and an unknown format is refused, never replaced.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from starlette.requests import Request

from common.problems import PROBLEM_JSON, NotAcceptable
from common.reports.lines import LineFile
from common.reports.model import Report
from services.reports.render import as_csv, as_html, as_ndjson
from services.reports.render.pdf import statement
from services.reports.render.pdf.statement import MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Format:
    """A format of a report; with neither function it is a page of the console, or the JSON.

    `render` makes it of the whole report, `render_lines` of its lines alone, as they stream. Both
    are files that leave the company, so users are masked in them. No line takes less than
    `least_bytes_a_line`, so a count of lines tells that a file would be too large.
    """

    extension: str
    media_type: str
    render: Callable[[Report], Iterator[bytes]] | None = None
    render_lines: Callable[[LineFile], Iterator[bytes]] | None = None
    least_bytes_a_line: int = 0


JSON = Format("json", "application/json")
HTML = Format("html", as_html.MEDIA_TYPE)
PDF = Format("pdf", MEDIA_TYPE, statement.render, least_bytes_a_line=60)
FORMATS = [
    JSON,
    Format("csv", as_csv.MEDIA_TYPE, render_lines=as_csv.render, least_bytes_a_line=250),
    Format("ndjson", as_ndjson.MEDIA_TYPE, render_lines=as_ndjson.render, least_bytes_a_line=500),
    HTML,
    PDF,
]


def split_extension(text: str) -> tuple[str, str | None]:
    """The last part of a path without its extension, and the extension if there is one."""
    stem, dot, extension = text.rpartition(".")
    return (stem, extension) if dot else (text, None)


def chosen_format(extension: str | None, accept: str | None) -> Format:
    """The format of an extension, or else the one that the Accept header prefers.

    Raises NotAcceptable.
    """
    for offered in FORMATS:
        if extension == offered.extension:
            return offered
    offers = ", ".join(offered.extension for offered in FORMATS)
    if extension is not None:
        raise NotAcceptable(f"a report comes as {offers}, not as {extension!r}")
    best = max(FORMATS, key=lambda offered: _preference(accept or "*/*", offered.media_type))
    if _preference(accept or "*/*", best.media_type) == 0:
        raise NotAcceptable(f"a report comes as {offers}")
    return best


def prefers_page(request: Request) -> bool:
    """Whether to answer an error with a page: for browsers, and for all pages of the console."""
    accept = request.headers.get("accept") or "*/*"
    page, document = (_preference(accept, kind) for kind in (as_html.MEDIA_TYPE, PROBLEM_JSON))
    is_console = request.url.path.startswith("/console/")
    return page > document or (is_console and page == document > 0)


def _preference(accept: str, media_type: str) -> float:
    """How much an Accept header prefers a media type, 0 to 1 (RFC 9110, 12.5.1)."""
    essence = media_type.partition(";")[0]
    exactness, preference = -1, 0.0
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        ranges = ["*/*", essence.partition("/")[0] + "/*", essence]
        if name in ranges and ranges.index(name) > exactness:
            exactness, preference = ranges.index(name), _quality(parameters)
    return preference


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
