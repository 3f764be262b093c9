"""Voiding, disputing a draft's line, and users in doubt, from click to result."""

from playwright.sync_api import expect

from tests.console.conftest import Console
from tests.console.test_flows import heading, press
from tests.support.api import action, lead, post, register, report

REASON = "Sent twice by mistake."


def lead_of_two(console: Console) -> None:
    register(console.api)
    post(console.api, lead("lead-1", action("Demo"), action("Share", engagement_level="Low")))


def due(console: Console) -> str:
    return str(report(console.api, "acme", "2024-04")["due"])


def test_action_is_voided_once_it_is_confirmed(console: Console) -> None:
    lead_of_two(console)

    page = console.visit("/console/lead?id=lead-1")
    page.get_by_role("link", name="Void Demo").click()
    press(page, "Void this action")
    assert page.get_by_label("Why").evaluate("it => it.matches(':invalid')")
    page.get_by_label("Why").fill(REASON)
    press(page, "Void this action")
    assert due(console) == "12.00"
    page.get_by_role("checkbox").check()
    press(page, "Void this action")

    heading(page, "Lead lead-1")
    expect(page.get_by_text(REASON)).to_be_visible()
    assert due(console) == "2.00"


def test_whole_lead_is_voided(console: Console) -> None:
    lead_of_two(console)

    page = console.visit("/console/lead?id=lead-1")
    page.get_by_role("link", name="Void the whole lead").click()
    page.get_by_label("Why").fill(REASON)
    page.get_by_role("checkbox").check()
    press(page, "Void the lead")

    heading(page, "Lead lead-1")
    expect(page.get_by_text("All actions of this lead are voided")).to_be_visible()
    assert due(console) == "0.00"


def test_line_of_an_open_month_is_disputed_from_its_report(console: Console) -> None:
    lead_of_two(console)

    page = console.visit("/billing/reports/acme/2024-04.html")
    page.locator("summary", has_text="Why this amount").first.click()
    page.get_by_role("link", name="this line").first.click()
    page.get_by_label("Why").select_option("spam")
    press(page, "Dispute")
    heading(page, "Dispute of lead lead-1")
    press(page, "Accept")

    expect(page.get_by_text("accepted", exact=True)).to_be_visible()
    assert due(console) == "2.00"


def test_leads_whose_user_is_in_doubt_are_listed(console: Console) -> None:
    register(console.api)
    post(console.api, [lead("sure", action()), lead("odd", action(), user={"email": "n/a"})])

    page = console.visit("/console/leads")
    page.get_by_label("user in doubt").check()
    press(page, "Search")

    expect(page.get_by_role("link", name="odd")).to_be_visible()
    expect(page.get_by_role("link", name="sure")).to_have_count(0)
