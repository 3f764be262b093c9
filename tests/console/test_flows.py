"""Each flow of the console from click to result, in a real browser."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from common.access.authentication import authenticator
from common.billing_period import Period
from common.settings import settings
from tests.console.conftest import Console
from tests.console.filled import fill
from tests.support.api import action, lead, post, register
from tests.support.imports import generic_csv, generic_row
from tests.support.uploads import work_all

NASTY = '<script>alert("x")</script><img src=x onerror=alert(1)>'


def next_month() -> str:
    return str(Period(Period(datetime.now(UTC).date().replace(day=1)).end))


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def fill_in(page: Page, **values: str) -> None:
    for name, text in values.items():
        page.locator(f"[name='{name}']").fill(text)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def test_overview_shows_another_month_and_leads_to_what_waits(console: Console) -> None:
    fill(console.api, leads=120)

    page = console.visit("/")
    page.get_by_label("Month", exact=True).select_option("2024-05")
    press(page, "Show")
    heading(page, "May 2024")
    page.get_by_text("Show as table").first.click()
    expect(page.get_by_role("row", name="May 2024").first).to_be_visible()
    page.get_by_role("link", name="leads in quarantine").click()

    heading(page, "Quarantine")


def test_reports_are_filtered_and_opened(console: Console) -> None:
    fill(console.api, leads=50)

    page = console.visit("/console/reports")
    fill_in(page, customer_id="customer-123", period="2024-04")
    page.get_by_label("Status").select_option("final")
    press(page, "Filter")
    page.get_by_role("link", name="April 2024").click()

    heading(page, "Acme Corporation")
    expect(page.get_by_text("final", exact=True).first).to_be_visible()


def test_lead_is_found_by_its_user_and_explains_each_action(console: Console) -> None:
    register(console.api)
    same = {"user": {"email": "ann@people.test"}}
    post(
        console.api,
        [
            lead("lead-1", action("Demo", "2024-04-02T10:00:00Z"), **same),
            lead("lead-2", action("Demo", "2024-04-03T10:00:00Z"), **same),
        ],
    )

    page = console.visit("/console/leads")
    fill_in(page, user="ANN@people.test")
    press(page, "Search")
    page.get_by_role("link", name="lead-2").click()
    heading(page, "Lead lead-2")
    expect(page.get_by_text("Not charged; you save")).to_be_visible()
    page.get_by_role("link", name="See the original.").click()
    heading(page, "Lead lead-1")
    page.get_by_role("link", name="report of April 2024").click()

    heading(page, "The acme")


def test_customer_is_registered_and_changed_and_a_second_editor_is_told(
    console: Console,
) -> None:
    page = console.visit("/console/customers")
    page.get_by_role("link", name="Register the first one").click()
    fill_in(page, id="acme", name="Acme", email="billing@acme.test", timezone="Europe/Berlin")
    press(page, "Register")
    heading(page, "Acme")
    expect(page.get_by_text("Saved.")).to_be_visible()

    second = page.context.new_page()
    second.goto(page.url)
    fill_in(page, name="Acme One")
    press(page, "Save")
    heading(page, "Acme One")
    console.expected_statuses.add(409)
    fill_in(second, name="Acme Two")
    press(second, "Save")

    expect(second.get_by_role("alert")).to_contain_text("Somebody else has changed it")
    expect(second.get_by_role("row", name="Name Acme One Acme Two")).to_be_visible()
    press(second, "Save")
    heading(second, "Acme Two")


def test_form_that_is_refused_keeps_what_was_typed(console: Console) -> None:
    console.expected_statuses.add(422)
    page = console.visit("/console/customer")
    fill_in(page, id="acme", name="Acme", email="billing@acme.test", timezone="Atlantis")
    press(page, "Register")

    expect(page.get_by_role("alert")).to_contain_text("must be an IANA name")
    expect(page.get_by_label("Email", exact=True)).to_have_value("billing@acme.test")
    assert console.api.get("/customers").json()["data"] == []


def test_product_is_registered_and_changed(console: Console) -> None:
    page = console.visit("/console/products")
    page.get_by_role("link", name="New product").click()
    fill_in(page, id="abc", name="ABC", description="Accounting")
    press(page, "Register")
    fill_in(page, description="Payroll")
    press(page, "Save")
    page.get_by_role("link", name="Products").first.click()

    expect(page.get_by_role("row", name="ABC abc Payroll")).to_be_visible()


def test_rate_card_is_tried_on_last_month_before_it_is_saved(console: Console) -> None:
    register(console.api)
    post(console.api, lead("lead-1", action(), action("Share", engagement_level="Low")))

    page = console.visit("/console/customer?id=acme")
    page.get_by_role("link", name="Rate card", exact=True).click()
    page.get_by_role("link", name="Create custom rate card").click()
    fill_in(page, **{"name": "Acme's own", "base-High": "15"})
    page.get_by_label("Level", exact=True).first.select_option("Low")
    page.get_by_label("Lead type", exact=True).first.select_option("Website Visit")
    page.get_by_label("Price", exact=True).first.fill("3")
    press(page, "Add a row")
    press(page, "Review")
    heading(page, "Review: Acme's own")
    expect(page.get_by_role("row", name="The acme 12.00 18.00 +6.00 0.00")).to_be_visible()
    assert len(console.api.get("/rate-cards").json()["data"]) == 1
    press(page, "Back to editing")
    fill_in(page, **{"base-High": "14.5"})
    press(page, "Review")
    expect(page.get_by_role("row", name="The acme 12.00 17.50 +5.50 0.00")).to_be_visible()
    press(page, "Save it")

    heading(page, "Acme's own, version 1")
    (stored,) = console.api.get("/rate-cards?customer_id=acme").json()["data"]
    assert {rate["amount"] for rate in stored["rates"]} == {"14.50", "5.00", "2.00", "3.00"}


def test_second_editor_of_a_rate_card_is_told_what_changed(console: Console) -> None:
    register(console.api)
    first = console.visit("/console/rate-card-editor")
    second = first.context.new_page()
    second.goto(first.url)
    fill_in(first, name="Autumn", cap_amount="80")
    press(first, "Review")
    press(first, "Save it")
    heading(first, "Autumn, version 2")

    console.expected_statuses.add(409)
    fill_in(second, **{"name": "Winter", "base-Low": "1.00"})
    press(second, "Review")

    expect(second.get_by_role("alert")).to_contain_text("somebody else has changed it")
    cap = "Cap 100.00 for each user 80.00 for each user 100.00 for each user"
    expect(second.get_by_role("row", name=cap)).to_be_visible()
    fill_in(second, cap_amount="80.00")
    press(second, "Review")
    press(second, "Save it")
    heading(second, "Winter, version 3")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_month_is_closed_from_preview_to_result(
    browser: Browser, console: Console, scripts: bool
) -> None:
    register(console.api, customers={"acme": "UTC", "beta": "UTC", "gone": "UTC"})
    post(
        console.api,
        [
            lead("lead-1", action()),
            lead("lead-2", action("Share"), customer_id="beta"),
            lead("lead-3", action(timestamp="2024-03-01T00:00:00Z"), customer_id="gone"),
            lead("lead-4", action(timestamp="2024-04-01T00:00:00Z"), customer_id="gone"),
        ],
    )
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()

    page.goto(f"{console.address}/console/close?period=2024-04")
    expect(page.get_by_role("row", name="The gone")).to_contain_text(
        "2024-03 still has open actions"
    )
    expect(page.get_by_role("row", name="The acme")).to_contain_text("10.00")
    page.get_by_label("Close The beta").uncheck()
    press(page, "Close April 2024")
    assert page.get_by_label("I've reviewed the amounts").evaluate("it => it.matches(':invalid')")
    heading(page, "Close April 2024")
    page.get_by_label("I've reviewed the amounts").check()
    press(page, "Close April 2024")
    heading(page, "Closing April 2024")

    expect(page.get_by_text("Every report of this run is final.")).to_be_visible(timeout=15_000)
    page.get_by_role("link", name="Past runs").click()
    expect(page.get_by_role("row", name="console finished 1 0 10.00")).to_be_visible()
    context.close()
    states = console.api.get("/billing/reports?period=2024-04").json()["data"]
    assert {entry["customer_id"]: entry["status"] for entry in states} == {
        "acme": "final",
        "beta": "draft",
        "gone": "draft",
    }


def test_all_months_that_are_over_are_closed_at_once(console: Console) -> None:
    register(console.api, customers={"acme": "UTC", "beta": "UTC"})
    for name in ("acme", "beta"):
        times = [f"2024-{month:02d}-05T00:00:00Z" for month in (3, 4, 5)]
        actions = [action(f"Kind {n}", at) for n, at in enumerate(times)]
        post(console.api, lead(name, *actions, customer_id=name))

    page = console.visit("/console/close")
    page.get_by_role("link", name="Close all of them at once").click()
    heading(page, "Close March 2024 to May 2024")
    expect(page.get_by_text("60.00", exact=False).first).to_be_visible()
    page.get_by_label("I've reviewed the amounts").check()
    press(page, "Close 2 customers through May 2024")

    heading(page, "Closing March 2024 to May 2024")
    expect(page.get_by_text("Every report of these months is final.")).to_be_visible(timeout=15_000)


def test_run_goes_on_when_the_browser_goes_away(console: Console) -> None:
    fill(console.api, leads=120)
    page = console.visit("/console/close?period=2024-05")
    page.get_by_label("I've reviewed the amounts").check()
    press(page, "Close May 2024")
    page.goto("about:blank")  # to close a page that still loads can wait without end

    page = console.visit("/console/runs")
    page.get_by_role("link").filter(has_text="UTC").first.click()
    expect(page.get_by_text("Every report of this run is final.")).to_be_visible(timeout=15_000)


def test_customer_that_cannot_be_closed_shows_its_reason(console: Console) -> None:
    register(console.api)
    post(
        console.api,
        [lead("lead-1", action()), lead("lead-2", action(timestamp="2024-03-01T00:00:00Z"))],
    )
    console.api.post("/billing/periods/2024-04/close")

    page = console.visit("/")
    page.get_by_role("link", name="parked customer").click()
    page.get_by_role("row", name="April 2024").get_by_role("link").click()

    row = page.get_by_role("row", name="acme")
    expect(row).to_contain_text("2024-03 still has open actions")


def test_quarantined_leads_are_taken_in_once_their_customer_is_registered(
    console: Console,
) -> None:
    register(console.api)
    post(
        console.api,
        [
            lead("lead-1", action(), customer_id="beta"),
            lead("lead-2", action(), customer_id="beta"),
            lead("lead-3", action(), product_id="lost"),
        ],
    )

    page = console.visit("/console/quarantine")
    press(page, "Import all of lost")
    expect(page.get_by_role("status")).to_contain_text("0 leads were imported, 1 still waits")
    page.get_by_role("link", name="Register beta").click()
    fill_in(page, name="Beta", email="billing@beta.test")
    press(page, "Register")
    page.get_by_role("link", name="Quarantine").click()
    press(page, "Import lead-1")
    expect(page.get_by_role("status")).to_contain_text("1 lead was imported.")
    press(page, "Import all of beta")
    expect(page.get_by_role("status")).to_contain_text("1 lead was imported.")

    assert console.api.get("/leads?customer_id=beta").json()["data"][1]["lead_id"]


@pytest.mark.parametrize("noun", ["customer", "product"])
def test_page_that_registers_what_is_missing_leads_to_all_that_wait(
    console: Console, noun: str
) -> None:
    """600 leads are more than one piece of a replay holds."""
    register(console.api)
    leads = [lead(f"lead-{number}", action()) | {f"{noun}_id": "new"} for number in range(600)]
    post(console.api, [*leads, lead("other", action(), **{f"{noun}_id": "unknown"})])

    page = console.visit(f"/console/{noun}?new_id=new")
    expect(page.get_by_text(f"600 leads wait in quarantine for this {noun}.")).to_be_visible()
    page.get_by_role("link", name="Show them").click()
    heading(page, "Quarantine")
    expect(page.get_by_role("heading", name=f"600 leads: {noun} ")).to_be_visible()
    page.get_by_role("link", name="Register new").click()
    fill_in(page, name="New", **({"email": "new@partner.test"} if noun == "customer" else {}))
    press(page, "Register")
    press(page, "Import 600 leads")

    expect(page.get_by_text("600 leads were imported.")).to_be_visible()
    assert len(console.api.get("/quarantine").json()["data"]) == 1


def test_import_says_what_differs_and_a_lead_is_dismissed(console: Console) -> None:
    register(console.api)
    for lead_type in ("Webinar", "Event"):
        post(console.api, lead("lead-1", action(), customer_id="beta", lead_type=lead_type))
    register(console.api, customers={"acme": "UTC", "beta": "UTC"})

    page = console.visit("/console/quarantine")
    press(page, "Import all 2")
    expect(page.get_by_role("status")).to_contain_text(
        "1 lead was imported, 1 differs from the lead that is stored and can be dismissed."
    )
    page.get_by_label("Dismiss lead-1", exact=True).click()
    press(page, "Dismiss lead-1 for good")

    expect(page.get_by_role("status")).to_contain_text("1 lead was dismissed.")
    expect(page.get_by_text("No lead is in quarantine.")).to_be_visible()


def test_leads_of_a_filter_are_dismissed_at_once(console: Console) -> None:
    register(console.api)
    for product in ("lost", "other"):
        leads = [lead(f"{product}-{number}", action(), product_id=product) for number in range(2)]
        post(console.api, leads)

    page = console.visit("/console/quarantine?product_id=lost")
    page.get_by_text("Dismiss all 2", exact=True).click()
    press(page, "Delete all 2 for good")

    expect(page.get_by_role("status")).to_contain_text("2 leads were dismissed.")
    assert len(console.api.get("/quarantine").json()["data"]) == 2


def test_names_that_hold_html_are_shown_as_they_are(console: Console) -> None:
    register(console.api)
    body = {"name": NASTY, "email": "nasty@partner.test"}
    console.api.put("/customers/nasty", json=body).raise_for_status()
    console.api.put("/products/nasty", json={"name": NASTY, "description": NASTY})
    nasty = lead(
        "nasty-lead",
        action(NASTY),
        customer_id="nasty",
        product_id="nasty",
        user={"external_id": NASTY},
    )
    post(console.api, [nasty, lead("stray", customer_id=NASTY)])

    for path in (
        *("/", "/console/reports", "/console/leads", "/console/lead?id=nasty-lead"),
        *("/console/customers", "/console/customer?id=nasty", "/console/products"),
        *("/console/product?id=nasty", "/console/quarantine", "/console/close?period=2024-04"),
        *("/console/rate-cards?customer_id=nasty", "/console/rate-card-editor?customer_id=nasty"),
        "/billing/reports/nasty/2024-04.html",
    ):
        page = console.visit(path)
        assert page.locator("img, script:not([src])").count() == 0, path
        text = page.content()
        assert "&lt;script&gt;" in text, path


def test_form_of_another_site_changes_nothing(console: Console) -> None:
    console.expected_statuses.add(403)
    page = console.visit("/console/products")
    page.set_content(
        f'<form method="post" action="{console.address}/console/product">'
        '<input name="id" value="abc"><input name="name" value="ABC"><button>Win</button></form>'
    )
    elsewhere = page.context.new_page()
    elsewhere.goto("about:blank")
    elsewhere.set_content(page.content())
    press(elsewhere, "Win")

    heading(elsewhere, "That is not allowed")
    assert console.api.get("/products").json()["data"] == []


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/console/lead?id=nobody", 404, "No lead 'nobody' is stored."),
        ("/console/customer?id=nobody", 404, "No customer 'nobody' is registered."),
        ("/?month=soon", 422, "a period is a month such as 2024-04"),
        ("/console/leads?cursor=abc", 422, "The cursor is not one of this list's."),
        ("/console/nothing", 404, "Nothing is at this address."),
    ],
)
def test_bad_address_is_explained_in_words(
    console: Console, path: str, status: int, words: str
) -> None:
    console.expected_statuses.add(status)
    page = console.visit(path)

    expect(page.get_by_role("main")).to_contain_text(words)
    page.get_by_role("link", name="To the overview").click()
    expect(page.get_by_text("Nothing to bill yet")).to_be_visible()


@pytest.mark.parametrize(
    ("button", "status", "credited"),
    [("Accept", "accepted", "10.00"), ("Reject", "rejected", "0.00")],
)
def test_line_is_disputed_and_the_dispute_resolved(
    console: Console, button: str, status: str, credited: str
) -> None:
    register(console.api)
    post(console.api, lead("lead-1", action("Demo"), action("Share", engagement_level="Low")))
    console.api.post("/billing/periods/2024-04/close").raise_for_status()

    page = console.visit("/console/lead?id=lead-1")
    page.get_by_role("link", name="Dispute Demo").click()
    page.get_by_label("Why").select_option("other")
    console.expected_statuses.add(422)
    press(page, "Dispute")
    expect(page.get_by_role("alert")).to_contain_text("is required if the reason is")
    page.get_by_label("Note").fill("Never called.")
    press(page, "Dispute")
    heading(page, "Dispute of lead lead-1")
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_text("Waiting to be accepted or rejected.")).to_be_visible()
    page.get_by_role("link", name="1 open dispute").click()
    page.get_by_role("row", name="acme").get_by_role("link").click()
    page.get_by_label("Note").fill("We agree.")
    press(page, button)

    expect(page.get_by_text(status, exact=True)).to_be_visible()
    (stored,) = console.api.get("/billing/disputes").json()["data"]
    assert (stored["status"], stored["credited"]) == (status, credited)


def test_line_is_disputed_from_its_report(console: Console) -> None:
    register(console.api)
    post(console.api, lead("lead-1", action("Demo")))
    console.api.post("/billing/periods/2024-04/close").raise_for_status()

    page = console.visit("/billing/reports/acme/2024-04.html")
    page.locator("summary", has_text="Why this amount").first.click()
    page.get_by_role("link", name="this line").first.click()
    page.get_by_label("Why").select_option("spam")
    press(page, "Dispute")

    heading(page, "Dispute of lead lead-1")


def test_viewer_signs_in_reads_and_signs_out_again(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(console.api)
    post(console.api, lead("lead-1", action()))
    viewer = {"name": "Bob", "role": "viewer", "customer_id": "acme"}
    key = console.api.post("/keys", json=viewer).json()["key"]
    monkeypatch.setenv("OPEN_ACCESS", "false")
    authenticator.cache_clear()

    page = console.visit("/console/customers")
    heading(page, "Sign in")
    page.get_by_label("API key").fill(key)
    press(page, "Sign in")
    heading(page, "Customers")
    expect(page.get_by_role("row", name="The acme")).to_be_visible()
    expect(page.get_by_role("link", name="New customer")).to_have_count(0)
    expect(page.get_by_role("link", name="Close a month")).to_have_count(0)
    press(page, "Sign out")

    heading(page, "Sign in")
    console.visit("/console/leads")
    heading(page, "Sign in")
    authenticator.cache_clear()


def test_large_file_goes_to_an_address_of_its_own(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILE_STORE_DIR", str(tmp_path / "files"))
    settings.cache_clear()
    register(console.api)
    content = generic_csv(generic_row("large")).replace(b"\r\n", b"\r\n" + b"\n" * 7_000_000, 1)
    (tmp_path / "april.csv").write_bytes(content)

    page = console.visit("/console/imports")
    page.get_by_label("File", exact=True).set_input_files(tmp_path / "april.csv")
    press(page, "Dry run")
    expect(page.locator("#outcome")).to_contain_text("A dry run takes files of up to 6 MB")
    page.get_by_role("button", name="Import", exact=True).click()

    expect(page.locator("#progress")).to_contain_text("april.csv: the file has arrived")
    work_all()
    expect(page.locator("#progress")).to_contain_text("april.csv: 1 of 1 rows are done: 1 created.")
