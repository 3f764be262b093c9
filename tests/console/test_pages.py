"""Every page in a real browser: as it looks, as it is read aloud, and by the keyboard alone."""

from pathlib import Path
from typing import Literal

import pytest

from tests.console.browser import come_to
from tests.console.conftest import Console
from tests.console.filled import PAGES, Page, fill
from tests.support.api import action, lead, post, register

PHONE = {"width": 320, "height": 640}
DESK = {"width": 1280, "height": 800}
Theme = Literal["light", "dark"]
# What stands in too little room, over its neighbour.
_TOO_NARROW = (
    "[...document.querySelectorAll('th, td, dt, dd, button, .button, .menu a')]"
    ".filter(it => it.scrollWidth > it.clientWidth + 1 && it.checkVisibility()"
    " && getComputedStyle(it).display != 'inline').map(it => it.outerHTML.slice(0, 200))"
)
# Amounts that go on in a second line.
_BROKEN_FIGURES = (
    "[...document.querySelectorAll('.figures dd')].map(it => {const text = document.createRange();"
    " text.selectNodeContents(it.firstChild); return text}).filter(it =>"
    " it.getClientRects().length > 1).map(it => it.toString())"
)
THEMES: tuple[Theme, ...] = ("light", "dark")


@pytest.fixture
def filled(console: Console) -> Console:
    fill(console.api, leads=120)
    return console


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_has_no_serious_violation_in_either_theme_nor_on_a_phone(
    filled: Console, axe: Path, page: Page
) -> None:
    for theme in THEMES:
        for size in (DESK, PHONE):
            filled.page.emulate_media(color_scheme=theme)
            filled.page.set_viewport_size({"width": size["width"], "height": size["height"]})
            shown = filled.page
            come_to(shown, filled.address, page)

            assert shown.get_by_role("heading", level=1).inner_text() == page.heading
            assert filled.violations() == [], (theme, size)
            width = shown.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], f"{width} px wide on {size['width']}"
            assert shown.evaluate(_TOO_NARROW) == [], (theme, size)


def test_very_large_sums_fit_where_they_stand(console: Console) -> None:
    register(console.api)
    amount = "1000000.00"
    rates = [{"engagement_level": level, "amount": amount} for level in ("High", "Medium", "Low")]
    card = {
        "name": "Dear",
        "customer_id": "acme",
        "valid_from": "2024-04",
        "rates": rates,
        "cap": {"amount": amount, "scope": "user"},
    }
    console.api.post("/rate-cards", json=card).raise_for_status()
    leads = [lead(f"lead-{number}", action(), action("Call")) for number in range(360)]
    post(console.api, leads).raise_for_status()

    for path in ("/?month=2024-04", "/console/reports", "/billing/reports/acme/2024-04.html"):
        for size in (DESK, PHONE):
            console.page.set_viewport_size({"width": size["width"], "height": size["height"]})
            page = console.visit(path)

            shown = page.locator("main").inner_text()
            assert "360,000,000.00" in shown
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            assert page.evaluate(_TOO_NARROW) == [], (path, size)
            assert page.evaluate(_BROKEN_FIGURES) == [], (path, size)
            assert "…" not in "".join(page.locator("svg.chart").all_text_contents()), (path, size)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_can_be_walked_with_the_keyboard(filled: Console, page: Page) -> None:
    shown = filled.page
    come_to(shown, filled.address, page)

    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.className") == "skip"
    shown.keyboard.press("Enter")
    assert shown.evaluate("document.activeElement.id") == "main"
    styles = shown.evaluate(
        "[...document.querySelectorAll('main :is(a[href], button, input, select, summary)')]"
        ".filter(each => each.checkVisibility()).length"
    )
    reached = set()
    for _ in range(styles * 2 + 20):
        shown.keyboard.press("Tab")
        place = shown.evaluate(
            "(() => { const it = document.activeElement; "
            "return it.closest('main') && it.matches('a, button, input, select, summary') ? "
            "[...document.querySelectorAll('main *')].indexOf(it) : -1 })()"
        )
        if place >= 0:
            reached.add(place)
        if len(reached) == styles:
            break
    assert len(reached) == styles


def test_theme_can_be_chosen_and_is_kept(console: Console) -> None:
    shown = console.visit("/")

    shown.get_by_role("button", name="Theme").click()
    shown.get_by_role("button", name="Theme").click()
    shown = console.visit("/console/reports")

    assert shown.evaluate("document.documentElement.dataset.theme") == "dark"
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 28)"


def test_pages_say_what_to_do_where_there_is_nothing_yet(console: Console) -> None:
    assert console.visit("/").get_by_text("Nothing to bill yet").is_visible()
    assert console.visit("/console/reports").get_by_text("No leads yet").is_visible()
