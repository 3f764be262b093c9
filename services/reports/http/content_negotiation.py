"""Which renderer a request asks for: by the address's extension, else by its Accept header.

Invariant: an extension always wins, and a format that is not on offer is said so, never swapped.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from starlette.requests import Request

from common.problems import PROBLEM_JSON, NotAcceptable
from common.reports.model import Report
from services.reports.render import as_csv, as_html, as_json
from services.reports.render.pdf import statement
from services.reports.render.pdf.statement import MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Format:
    """A way to show a report.

    `render` is None where a page of the console shows it. `pages` says whether it shows its lines
    page by page, `masks` whether it leaves the house: users are masked in it then.
    """

    extension: str
    media_type: str
    render: Callable[[Report], Iterator[bytes]] | None
    pages: bool = False
    masks: bool = False


FORMATS = [
    Format("json", as_json.MEDIA_TYPE, as_json.render, pages=True),
    Format("csv", as_csv.MEDIA_TYPE, as_csv.render, masks=True),
    Format("html", as_html.MEDIA_TYPE, None),
    Format("pdf", MEDIA_TYPE, statement.render, masks=True),
]


def split_extension(text: str) -> tuple[str, str | None]:
    """A path's last part, and its extension where it has one."""
    stem, dot, extension = text.rpartition(".")
    return (stem, extension) if dot else (text, None)


def chosen_format(extension: str | None, accept: str | None) -> Format:
    """The format of an extension, else the one an Accept header wants most.

    Raises NotAcceptable.
    """
    for offered in FORMATS:
        if extension == offered.extension:
            return offered
    offers = ", ".join(offered.extension for offered in FORMATS)
    if extension is not None:
        raise NotAcceptable(f"a report comes as {offers}, not as {extension!r}")
    best = max(FORMATS, key=lambda offered: _wish(accept or "*/*", offered.media_type))
    if _wish(accept or "*/*", best.media_type) == 0:
        raise NotAcceptable(f"a report comes as {offers}")
    return best


def prefers_page(request: Request) -> bool:
    """Whether an error is better told in a page: to a browser, and of the console to anybody."""
    accept = request.headers.get("accept") or "*/*"
    page, document = (_wish(accept, kind) for kind in (as_html.MEDIA_TYPE, PROBLEM_JSON))
    is_console = request.url.path.startswith("/console/")
    return page > document or (is_console and page == document > 0)


def _wish(accept: str, media_type: str) -> float:
    """How much an Accept header wants a media type, 0 to 1 (RFC 9110, 12.5.1)."""
    essence = media_type.partition(";")[0]
    exactness, wish = -1, 0.0
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        ranges = ["*/*", essence.partition("/")[0] + "/*", essence]
        if name in ranges and ranges.index(name) > exactness:
            exactness, wish = ranges.index(name), _quality(parameters)
    return wish


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
