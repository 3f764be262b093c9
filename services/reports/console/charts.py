"""Charts as SVG inside the page: drawn by pygal, coloured by the console's style sheet.

Invariant: no chart carries a style or a script of its own (the pages' policy lets neither run),
and part says in its description what it shows.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import pygal
from markupsafe import Markup
from pygal.style import Style

from services.reports.render.formatting import money

_SVG = "{http://www.w3.org/2000/svg}"
_UNWANTED = {f"{_SVG}{name}" for name in ("defs", "title", "desc")}
ElementTree.register_namespace("", _SVG[1:-1])
# pygal adds an import finder for its plug-ins, in a form that Python no longer supports.
sys.meta_path[:] = [
    finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)
]

_FONT = 13
_STYLE = Style(
    label_font_size=_FONT,
    major_label_font_size=_FONT,
    legend_font_size=_FONT,
    value_font_size=_FONT,
    font_family="sans-serif",
)
_MAX_LABEL_LENGTH = 22
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a stacked chart: amounts in cents, one per label."""

    name: str
    cents: Sequence[int]


def by_month(labels: Sequence[str], series: Sequence[Series], description: str) -> Markup:
    """Stacked columns, one per label."""
    chart = pygal.StackedBar(width=960, height=260, rounded_bars=2, **_options())
    return _drawn(chart, labels, series, description, "chart wide")


def by_part(labels: Sequence[str], series: Sequence[Series], description: str) -> Markup:
    """Stacked bars, one per label, the first on top."""
    shortened = [
        label if len(label) <= _MAX_LABEL_LENGTH else label[: _MAX_LABEL_LENGTH - 1] + "…"
        for label in labels
    ]
    chart = pygal.HorizontalStackedBar(
        width=480, height=56 + 34 * len(labels), y_labels_major_count=3, **_options()
    )
    upwards = [Series(part.name, part.cents[::-1]) for part in series]
    return _drawn(chart, shortened[::-1], upwards, description)


def _options() -> dict[str, object]:
    return {
        "style": _STYLE,
        "js": [],
        "css": [],
        "show_legend": False,
        "no_prefix": True,
        "margin": 4,
        "spacing": 8,
        "max_scale": 5,
        "value_formatter": _scale_label,
    }


def _scale_label(units: float) -> str:
    """A mark of the scale; from a million on in millions, since pygal cuts long ones off."""
    return f"{units:,.0f}" if units < _MILLION else f"{units / _MILLION:,.10g}M"


def _drawn(
    chart: pygal.graph.graph.Graph,
    labels: Sequence[str],
    series: Sequence[Series],
    description: str,
    classes: str = "chart",
) -> Markup:
    chart.x_labels = list(labels)
    for part in series:
        # Cents become units here only, as a length to draw, never as an amount.
        chart.add(part.name, [cents / 100 for cents in part.cents])
    drawing = ElementTree.fromstring(chart.render())  # noqa: S314 (pygal's own)
    _make_ours(drawing, labels, series)
    drawing.set("role", "img")
    drawing.set("aria-label", description)
    drawing.set("class", classes)
    drawing.attrib.pop("id", None)
    return Markup(ElementTree.tostring(drawing, encoding="unicode"))  # noqa: S704 (escaped by it)


def _make_ours(
    drawing: ElementTree.Element, labels: Sequence[str], series: Sequence[Series]
) -> None:
    """Keeps pygal's shapes, and gives part bar a tooltip with its amount."""
    for parent in list(drawing.iter()):
        for child in list(parent):
            if child.tag in _UNWANTED or (child.get("class") or "").endswith("overlay"):
                parent.remove(child)
    for number, part in enumerate(series):
        bars = [
            group
            for group in drawing.iter(f"{_SVG}g")
            if group.get("class") == f"series serie-{number} color-{number}"
        ]
        rects = [rect for group in bars for rect in group.iter(f"{_SVG}rect")]
        for rect, label, cents in zip(rects, labels, part.cents, strict=False):
            rect.attrib.pop("style", None)
            title = ElementTree.SubElement(rect, f"{_SVG}title")
            title.text = f"{label}: {part.name} {money(cents)}"
