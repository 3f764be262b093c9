"""Text on the pages of a PDF, in every script with a font; other characters by Unicode number.

Invariant: a text is drawn as text, whatever it contains, and no character is dropped.
"""

import unicodedata
from functools import cache, lru_cache
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from typing import Literal

from fontTools.ttLib import TTFont
from fpdf import FPDF

Align = Literal["left", "right"]
Colour = tuple[int, int, int]

_FOLDER = files("services.reports.render.pdf") / "fonts"
_BASE = "NotoSans"
# A character is drawn in the first of these fonts that has it.
_FALLBACKS = (
    "NotoSansArabic",
    "NotoSansHebrew",
    "NotoSansDevanagari",
    "NotoSansThai",
    "NotoSansGeorgian",
    "NotoSansArmenian",
    "NanumSquareR",
    "DroidSansFallbackFull",
)
_JOINERS = "\u200c\u200d"  # zero-width, needed by some scripts
_MILLIMETRES_A_POINT = 25.4 / 72


class Lettering:
    """Writes on a PDF's current page; lengths in millimetres, sizes in points."""

    def __init__(self, pdf: FPDF) -> None:
        self._pdf = pdf
        self._widths: dict[bool, dict[str, float]] = {False: {}, True: {}}
        self._fallbacks: list[str] = []
        self._colour: Colour | None = None
        self._font: tuple[float, bool] | None = None
        self.has_numbered = False
        _add_font(pdf, _BASE, "Regular")
        _add_font(pdf, _BASE, "Bold", style="B")

    def write(
        self,
        x: float,
        baseline: float,
        text: str,
        *,
        size: float,
        bold: bool = False,
        colour: Colour = (0, 0, 0),
        align: Align = "left",
    ) -> None:
        """Writes one row of text that begins, or with `align="right"` ends, at x."""
        text = self.shown(text)
        left = x - self.width(text, size=size, bold=bold) if align == "right" else x
        self._take(colour)
        if (size, bold) != self._font:
            self._pdf.set_font(_BASE, "B" if bold else "", size)
            self._font = (size, bold)
        if _is_simple(text):
            self._pdf.text(left, baseline, text)
            return
        self._pdf.set_text_shaping(True, direction="ltr")
        # A cell of no height has its baseline at 0.3 of the font's size below its top.
        self._pdf.set_xy(left - self._pdf.c_margin, baseline - 0.3 * size * _MILLIMETRES_A_POINT)
        self._pdf.cell(text=text, h=0)
        self._pdf.set_text_shaping(False)

    def shade(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Fills a rectangle."""
        self._take(colour)
        self._pdf.rect(x, y, width, height, style="F")

    def return_to(self, page: int) -> None:
        """Continues on an earlier page."""
        self._pdf.page = page
        self._pdf.current_font_is_set_on_page = False
        self._colour = self._font = None

    def _take(self, colour: Colour) -> None:
        # While both colours are equal, the library does not write the colour with every text.
        if colour != self._colour:
            self._pdf.set_text_color(*colour)
            self._pdf.set_fill_color(*colour)
            self._colour = colour

    def width(self, text: str, *, size: float, bold: bool = False) -> float:
        """The width of a text from `shown`."""
        if _is_simple(text):
            widths = self._widths[bold]
            for missing in set(text) - widths.keys():
                widths[missing] = self._measured(missing, 1000, bold) / 1000
            return sum(map(widths.__getitem__, text)) * size
        return self._measured(text, size, bold, shaped=True)

    def wrapped(self, text: str, width: float, *, size: float, bold: bool = False) -> list[str]:
        """The text in rows of at most that width, broken at spaces if possible."""
        rest, rows = self.shown(text), []
        while self.width(rest, size=size, bold=bold) > width and len(rest) > 1:
            end = self._fitting(rest, width, size, bold)
            space = rest.rfind(" ", 1, end + 1)
            end = space if space > 0 else end
            rows.append(rest[:end])
            rest = rest[end:].lstrip(" ")
        return [*rows, rest] if rest or not rows else rows

    def shown(self, text: str) -> str:
        """The text, with the number of each character that no font has: "[U+1F600]"."""
        if _is_simple(text):
            return text
        parts = []
        for character in text:
            font = _font_of(character)
            if font is None:
                self.has_numbered = True
                parts.append(f"[U+{ord(character):04X}]")
                continue
            if font != _BASE and font not in self._fallbacks:
                _add_font(self._pdf, font)
                self._fallbacks.append(font)
                self._pdf.set_fallback_fonts(self._fallbacks, exact_match=False)
            parts.append(character)
        return "".join(parts)

    def _fitting(self, text: str, width: float, size: float, bold: bool) -> int:
        """How many characters of the text fit; at least one."""
        fits, over = 1, len(text)
        while over - fits > 1:
            middle = (fits + over) // 2
            if self.width(text[:middle], size=size, bold=bold) <= width:
                fits = middle
            else:
                over = middle
        while fits > 1 and unicodedata.combining(text[fits]):
            fits -= 1
        return fits

    def _measured(self, text: str, size: float, bold: bool, *, shaped: bool = False) -> float:
        self._pdf.set_font(_BASE, "B" if bold else "", size)
        self._pdf.set_text_shaping(shaped)
        self._font = None
        width = self._pdf.get_string_width(text)
        self._pdf.set_text_shaping(False)
        return width


def _add_font(pdf: FPDF, name: str, weight: str = "Regular", style: Literal["", "B"] = "") -> None:
    with as_file(_file(name, weight)) as path:
        pdf.add_font(name, style, path)


def _file(name: str, weight: str = "Regular") -> Traversable:
    return _FOLDER / (f"{name}-{weight}.ttf" if name.startswith("Noto") else f"{name}.ttf")


@cache
def _coverage(name: str) -> frozenset[str]:
    """The characters that a font draws; some fonts have empty glyphs for more."""
    with as_file(_file(name)) as path, TTFont(path, lazy=True) as font:
        places, number_of = font["loca"].locations, font.getGlyphID
        return frozenset(
            chr(code)
            for code, glyph in font.getBestCmap().items()
            if chr(code).isspace() or places[number_of(glyph)] < places[number_of(glyph) + 1]
        )


@lru_cache(maxsize=4096)
def _font_of(character: str) -> str | None:
    """The font that draws a character; None if no font has it or its glyph is empty."""
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        return _BASE if character in _JOINERS else None
    return next((name for name in (_BASE, *_FALLBACKS) if character in _coverage(name)), None)


@lru_cache(maxsize=1)
def _simple_characters() -> frozenset[str]:
    return frozenset(
        character
        for character in _coverage(_BASE)
        if unicodedata.category(character)[0] in "LNPSZ"
        and unicodedata.category(character) not in {"Zl", "Zp"}
    )


def _is_simple(text: str) -> bool:
    """Whether the base font draws the text from left to right, character by character."""
    return _simple_characters().issuperset(text)
