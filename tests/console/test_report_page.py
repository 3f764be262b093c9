"""The report's page in a real browser: narrowed, sorted, opened, verified, on paper."""

import pytest

from tests.console.conftest import Console
from tests.support.api import action, lead, post, register

PAGE = "/billing/reports/acme/2024-04.html"


@pytest.fixture
def acme(console: Console) -> Console:
    """April, closed: two people, a repeat, and somebody who reaches the cap."""
    register(console.api, customers={"acme": "Europe/Berlin"})
    many = [action(f"Kind {n}", f"2024-04-03T10:{n:02d}:00Z") for n in range(12)]
    post(console.api, [lead("l1", action(), action()), lead("l2", *many)]).raise_for_status()
    console.api.post("/billing/periods/2024-04/close").raise_for_status()
    late = lead("late", action("Call", "2024-04-20T10:00:00Z"))
    post(console.api, late).raise_for_status()
    return console


def test_lines_are_narrowed_sorted_and_explained(acme: Console) -> None:
    shown = acme.visit(PAGE)
    lines = shown.locator("#lines tbody tr")
    assert lines.count() == 14

    shown.get_by_label("Outcome").select_option("Over the cap")
    shown.get_by_role("button", name="Filter").click()
    assert lines.count() == 2
    shown.get_by_role("link", name="Clear").click()
    shown.get_by_role("link", name="Saved").click()
    shown.get_by_role("link", name="Saved").click()
    shown.locator('th[aria-sort="descending"]').get_by_text("Saved").wait_for()

    shown.get_by_label("Outcome").select_option("Duplicate")
    shown.get_by_role("button", name="Filter").click()
    shown.locator("summary").first.click()
    shown.get_by_text("Not charged; you save").first.wait_for()
    shown.get_by_role("link", name="lead l1, 2024-04-01 12:05:00").click()
    shown.locator("tr:target").wait_for()


def test_final_report_is_verified_by_a_click(acme: Console) -> None:
    shown = acme.visit(PAGE)

    shown.get_by_role("button", name="Verify it now").click()

    shown.get_by_text("Verified.").wait_for()


def test_downloads_work(acme: Console) -> None:
    shown = acme.visit(PAGE)

    for name, start in (
        ("PDF statement", b"%PDF-"),
        ("CSV", b"\xef\xbb\xbfperiod"),
        ("JSON", b"{"),
    ):
        address = shown.get_by_role("link", name=name, exact=True).get_attribute("href")
        answer = shown.request.get(f"{acme.address}/billing/reports/acme/{address}")
        assert answer.ok
        assert answer.body().startswith(start)


def test_paper_shows_every_line_explained_and_no_controls(acme: Console) -> None:
    shown = acme.visit(PAGE)

    shown.emulate_media(media="print")

    assert not shown.get_by_role("search").is_visible()
    assert not shown.get_by_role("navigation", name="Main").is_visible()
    assert not shown.get_by_role("link", name="CSV").is_visible()
    assert shown.get_by_text("Not charged; you save").first.is_visible()


@pytest.mark.parametrize("path", [PAGE, "/billing/reports/acme/2024-05.html"])
def test_page_has_no_serious_violation_in_either_theme_nor_on_a_phone(
    acme: Console, axe: object, path: str
) -> None:
    for width in (1280, 320):
        for theme in ("light", "dark"):
            acme.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            acme.page.set_viewport_size({"width": width, "height": 800})
            shown = acme.visit(path)
            for summary in shown.locator("summary").all()[:2]:
                summary.click()

            assert acme.violations() == [], (width, theme)
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
