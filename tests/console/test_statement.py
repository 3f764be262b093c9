"""The PDF statement in a real browser: made while one waits, offered, and downloaded."""

from pypdf import PdfReader

from tests.console.conftest import Console
from tests.support.api import action, lead, post, register


def _acme(console: Console) -> None:
    register(console.api)
    post(console.api, lead("l1", action(), action("Share"))).raise_for_status()


def test_statement_is_made_and_then_downloaded(console: Console) -> None:
    _acme(console)

    shown = console.visit("/console/statement?customer_id=acme&period=2024-04")
    shown.get_by_text("It is ready").wait_for()
    with shown.expect_download() as download:
        shown.get_by_role("link", name="Download the PDF").click()

    assert download.value.suggested_filename == "acme-2024-04.pdf"
    text = PdfReader(download.value.path()).pages[0].extract_text()
    assert "Statement of leads, April 2024" in text


def test_page_of_the_statement_has_no_serious_violation(console: Console, axe: object) -> None:
    _acme(console)

    shown = console.visit("/console/statement?customer_id=acme&period=2024-04")
    shown.get_by_text("It is ready").wait_for()

    assert console.violations() == []


def test_statement_that_cannot_be_made_is_said_and_offered_again(console: Console) -> None:
    _acme(console)
    console.page.route("**/progress?*", lambda route: route.fulfill(body="0 of 2\n1 of 2\n"))

    shown = console.visit("/console/statement?customer_id=acme&period=2024-04")

    shown.get_by_text("The statement could not be prepared here").wait_for()
    link = shown.get_by_role("link", name="Download the PDF")
    assert (link.get_attribute("href") or "").endswith("/billing/reports/acme/2024-04.pdf")
