"""API keys in the console: created, shown once, revoked."""

from playwright.sync_api import expect

from tests.console.conftest import Console
from tests.support.api import register


def test_key_is_created_for_a_customer_shown_once_and_revoked(console: Console) -> None:
    register(console.api)

    page = console.visit("/console/keys")
    page.get_by_label("Name", exact=True).fill("partner")
    page.get_by_label("Role").select_option("viewer")
    page.get_by_label("Customer", exact=True).fill("acme")
    page.get_by_role("button", name="Create key").click()
    expect(page.locator("#new-key")).to_contain_text("lbk_")
    page.reload()

    expect(page.locator("#new-key")).to_have_count(0)
    row = page.get_by_role("row").filter(has_text="partner")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("acme")
    row.locator("summary").click()
    row.get_by_role("button", name="Revoke partner").click()

    expect(page.get_by_role("row").filter(has_text="partner")).to_contain_text("ended")
