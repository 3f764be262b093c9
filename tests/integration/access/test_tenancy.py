"""What a key of one customer sees and sends: its own data alone."""

import json
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from common.database.engine import in_role
from common.database.transactions import acting_as, snapshot, transaction
from common.identifiers import customer_id, lead_id
from common.settings import settings
from tests.integration.access.conftest import As, entries
from tests.support.api import (
    action,
    lead,
    path_of,
    post,
    refusals,
    statuses,
    without,
)
from tests.support.exports import ask_for, exported, ndjson_rows, zip_files

OTHERS = ("beta", "bcd", "beta-april", "beta-may", "beta-stray", "beta-april@people.test")


def test_customers_viewer_sees_its_own_and_nothing_of_others(
    two_customers: httpx.Client, client_as: As
) -> None:
    viewer = client_as("viewer", "acme")
    addresses = [
        "/leads",
        "/leads/quarantined",
        "/quarantine",
        "/leads/acme-april",
        "/billing/reports",
        "/billing/reports?status=final",
        "/billing/reports/acme/2024-04",
        "/billing/reports/acme/2024-05",
        "/billing/reports/acme/2024-04.csv",
        "/billing/reports/acme/2024-04.ndjson",
        *(
            f"/billing/reports/acme/{period}/{kind}"
            for period in ("2024-04", "2024-05")
            for kind in ("lines", "prior-lines", "users", "leads")
        ),
        "/console/report-users?customer_id=acme&period=2024-05",
        "/billing/reports/acme/2024-05.html",
        "/billing/reports/acme/2024-04/verify",
        "/billing/runs",
        "/billing/reconciliation",
        "/rate-cards",
        "/customers",
        "/products",
        "/",
        "/console/reports",
        "/console/leads",
        "/console/lead?id=acme-april",
        "/console/quarantine",
        "/console/disputes",
        "/exports",
        "/console/exports",
        "/console/runs",
        "/console/customers",
        "/console/products",
        "/console/rate-cards",
    ]

    answers = {address: viewer.get(address) for address in addresses}

    for address, answer in answers.items():
        assert answer.status_code == 200, (address, answer.text)
        assert not any(f'"{name}"' in answer.text for name in OTHERS), address
        assert "Only beta" not in answer.text, address
        assert "The beta" not in answer.text, address
        assert "beta-" not in answer.text, address
    assert [row["lead_id"] for row in answers["/leads"].json()["data"]] == [
        "acme-april",
        "acme-may",
    ] or len(answers["/leads"].json()["data"]) == 2
    assert [row["customer_id"] for row in answers["/customers"].json()["data"]] == ["acme"]
    assert [row["product_id"] for row in answers["/products"].json()["data"]] == ["abc"]
    assert answers["/billing/reports"].json()["totals"]["gross"] == "20.00"
    assert answers["/billing/reconciliation"].json()["actions"] == 2


@pytest.mark.parametrize(
    ("theirs", "nobodys"),
    [
        ("/leads/beta-april", "/leads/no-such-lead"),
        ("/billing/reports/beta/2024-04", "/billing/reports/nobody/2024-04"),
        ("/billing/reports/beta/2024-04.csv", "/billing/reports/nobody/2024-04.csv"),
        ("/billing/reports/beta/2024-04/lines", "/billing/reports/nobody/2024-04/lines"),
        ("/billing/reports/beta/2024-04/users", "/billing/reports/nobody/2024-04/users"),
        ("/billing/reports/beta/2024-04/leads", "/billing/reports/nobody/2024-04/leads"),
        (
            "/billing/reports/beta/2024-04/prior-lines",
            "/billing/reports/nobody/2024-04/prior-lines",
        ),
        ("/billing/reports/beta/2024-04/verify", "/billing/reports/nobody/2024-04/verify"),
        ("/billing/reconciliation?customer_id=beta", "/billing/reconciliation?customer_id=nobody"),
    ],
)
def test_what_is_anothers_is_answered_like_what_is_not_there(
    two_customers: httpx.Client, client_as: As, theirs: str, nobodys: str
) -> None:
    viewer = client_as("viewer", "acme")

    other, none = viewer.get(theirs), viewer.get(nobodys)

    names = {"beta-april": "no-such-lead", "beta": "nobody"}
    expected = other.text
    for name, instead in names.items():
        expected = expected.replace(name, instead)
    assert other.status_code == none.status_code
    assert none.status_code in {404, 422}
    assert without(json.loads(expected), "correlation_id") == without(none.json(), "correlation_id")


def test_lists_refuse_another_customer_as_one_that_is_not_there(
    two_customers: httpx.Client, client_as: As
) -> None:
    viewer = client_as("viewer", "acme")

    for address in ("/leads", "/billing/reports", "/rate-cards"):
        beta, nobody = (
            viewer.get(address, params={"customer_id": customer}) for customer in ("beta", "nobody")
        )
        assert beta.status_code == 422
        assert beta.json()["errors"] == nobody.json()["errors"], address
    assert viewer.get("/leads", params={"user": "beta-april@people.test"}).json()["data"] == []


def test_cursor_of_a_wider_key_widens_nothing(two_customers: httpx.Client, client_as: As) -> None:
    viewer = client_as("viewer", "acme")

    for address in ("/leads", "/customers", "/products", "/billing/reports", "/billing/runs"):
        cursor = two_customers.get(address, params={"limit": 1}).json()["next_cursor"]
        if cursor is not None:
            answer = viewer.get(address, params={"cursor": cursor})
            assert answer.status_code == 200
            assert "beta" not in answer.text, address


def test_runs_count_only_the_customers_own(two_customers: httpx.Client, client_as: As) -> None:
    run = client_as("viewer", "acme").get("/billing/runs").json()["data"][0]
    whole = two_customers.get("/billing/runs").json()["data"][0]

    assert (whole["closed"], whole["due"]) == (2, "20.00")
    assert (run["closed"], run["already_closed"], run["failed"], run["due"]) == (1, 0, 0, "10.00")


def test_viewer_sees_a_product_once_there_is_a_price_of_its_own_for_it(
    two_customers: httpx.Client, client_as: As
) -> None:
    two_customers.put("/products/cde", json={"name": "cde"}).raise_for_status()
    levels = [{"engagement_level": level, "amount": "1.00"} for level in ("High", "Medium", "Low")]
    prices = [
        {"engagement_level": "High", "amount": "9.00", "product_id": product}
        for product in ("abc", "bcd", "cde")
    ]
    card = {
        "name": "By product",
        "valid_from": "2099-02",
        "currency": "USD",
        "cap": {"amount": "100.00", "scope": "user"},
        "duplicates_charged_for": [],
    }
    viewer = client_as("viewer", "acme")
    two_customers.post("/rate-cards", json=card | {"rates": levels + prices}).raise_for_status()
    of_default = viewer.get("/rate-cards").json()["data"][0]["rates"]
    products = viewer.get("/products").json()["data"]
    own = card | {"customer_id": "acme", "rates": [*levels, prices[2]]}
    two_customers.post("/rate-cards", json=own).raise_for_status()

    assert [rate["product_id"] for rate in of_default if rate.get("product_id")] == ["abc"]
    assert [product["product_id"] for product in products] == ["abc"]
    products = viewer.get("/products").json()["data"]
    assert [product["product_id"] for product in products] == ["abc", "cde"]
    trial = without(card, "valid_from") | {"rates": [*levels, prices[1]]}
    refused = viewer.post("/billing/simulations", json={"period": "2024-05", "rate_card": trial})
    assert refused.json()["errors"][0]["code"] == "unknown_product"


def test_default_card_is_shown_to_those_whom_it_prices_alone(
    two_customers: httpx.Client, client_as: As
) -> None:
    card = {
        "currency": "USD",
        "rates": [
            {"engagement_level": level, "amount": "7.77"} for level in ("High", "Medium", "Low")
        ],
        "cap": {"amount": "100.00", "scope": "user"},
        "duplicates_charged_for": [],
    }

    def add(name: str, valid_from: str, **members: object) -> str:
        body = card | {"name": name, "valid_from": valid_from} | members
        stored = two_customers.post("/rate-cards", json=body).raise_for_status().json()
        return str(stored["rate_card_id"])

    add("acme leaves", "2098-01", customer_id="acme")
    hidden = add("Default of others", "2098-05")
    viewer = client_as("viewer", "acme")

    def names() -> list[str]:
        return [row["name"] for row in viewer.get("/rate-cards").json()["data"]]

    assert names() == ["Default", "acme leaves"]
    assert "Default of others" not in viewer.get("/console/rate-cards").text
    assert viewer.get("/console/rate-card", params={"id": hidden}).status_code == 404
    follows = {"name": "Back", "currency": "USD", "follows_default": True}
    trial = {"rate_card": follows, "customer_id": "acme"}
    unseen = viewer.post("/billing/simulations", json=trial | {"period": "2098-06"})
    seen = viewer.post("/billing/simulations", json=trial | {"period": "2024-05"})
    assert (unseen.status_code, unseen.json()["detail"], seen.status_code) == (
        409,
        "no rate card is in force in 2098-06",
        200,
    )
    back = follows | {"name": "acme returns", "valid_from": "2098-09", "customer_id": "acme"}
    two_customers.post("/rate-cards", json=back).raise_for_status()
    assert names() == ["Default of others", "Default", "acme returns", "acme leaves"]
    assert "Default of others" in [
        row["name"] for row in two_customers.get("/rate-cards").json()["data"]
    ]


def test_simulation_is_of_the_customer_alone(two_customers: httpx.Client, client_as: As) -> None:
    viewer = client_as("viewer", "acme")
    card = {
        "name": "Dearer",
        "currency": "USD",
        "rates": [
            {"engagement_level": level, "amount": "20.00"} for level in ("High", "Medium", "Low")
        ],
        "cap": {"amount": "100.00", "scope": "user"},
        "duplicates_charged_for": [],
    }
    body = {"period": "2024-05", "rate_card": card}

    whole = viewer.post("/billing/simulations", json=body)
    other = viewer.post("/billing/simulations", json=body | {"customer_id": "beta"})
    nobody = viewer.post("/billing/simulations", json=body | {"customer_id": "nobody"})

    assert [row["customer_id"] for row in whole.json()["customers"]] == ["acme"]
    assert without(other.json(), "correlation_id") == without(nobody.json(), "correlation_id")


def test_customers_sender_stores_its_own_and_each_other_lead_is_refused(
    two_customers: httpx.Client, client_as: As
) -> None:
    sender = client_as("ingest", "acme")

    answer = post(
        sender,
        [
            lead("new-1", action()),
            lead("new-2", action(), customer_id="beta"),
            lead("new-3", action(), customer_id="nobody"),
        ],
    )
    single = post(sender, lead("new-2", customer_id="beta"))

    assert (answer.status_code, single.status_code) == (207, 422)
    assert [result["status"] for result in answer.json()["results"]] == [
        "created",
        "invalid",
        "invalid",
    ]
    assert refusals(answer) == [
        ("/1/customer_id", "foreign_customer"),
        ("/2/customer_id", "foreign_customer"),
    ]
    assert two_customers.get("/leads/new-2").status_code == 404


def test_sender_is_told_of_invalid_and_of_foreign_leads_alike(
    two_customers: httpx.Client, client_as: As
) -> None:
    sent = [lead("new-1"), lead("new-2", extra=1), lead("new-3", customer_id="beta")]

    answer = post(client_as("ingest", "acme"), sent)

    assert statuses(answer) == ["created", "invalid", "invalid"]
    assert refusals(answer) == [
        ("/1/extra", "unknown_field"),
        ("/2/customer_id", "foreign_customer"),
    ]


FORMS_OF_IDS = (
    "beta-april",
    "11111111-2222-4333-8444-555555555555",
    "AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE",
    "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
    "e\u0301",
    " beta ",
)


def test_key_of_a_customer_neither_takes_nor_finds_out_the_ids_of_another(
    two_customers: httpx.Client, client_as: As
) -> None:
    of_beta = {"customer_id": "beta", "product_id": "bcd"}
    post(two_customers, [lead(form, action(), **of_beta) for form in FORMS_OF_IDS])
    ours = [str(lead_id(customer_id("beta"), form)) for form in FORMS_OF_IDS]
    before = [two_customers.get(path_of("leads", key)).json() for key in ours]
    sender, viewer = client_as("ingest", "acme"), client_as("viewer", "acme")

    unseen = [viewer.get(path_of("leads", form)) for form in (*FORMS_OF_IDS, *ours)]
    taken = post(sender, [lead(form, lead_type="Webinar") for form in (*FORMS_OF_IDS, *ours)])
    seen = [viewer.get(path_of("leads", form)).json() for form in (*FORMS_OF_IDS, *ours)]

    assert {answer.status_code for answer in unseen} == {404}
    assert statuses(taken) == ["created"] * 12
    assert {(row["customer_id"], row["lead_type"]) for row in seen} == {("acme", "Webinar")}
    for key, stored in zip(ours, before, strict=True):
        answer = two_customers.get(path_of("leads", key), params={"customer_id": "beta"})
        assert answer.json() == stored


def test_lead_of_two_customers_is_asked_for_with_its_customer(
    two_customers: httpx.Client, client_as: As
) -> None:
    post(two_customers, [lead("both"), lead("both", customer_id="beta", product_id="bcd")])
    dispute = {"lead_id": "both", "reason": "spam"}

    ambiguous = two_customers.get("/leads/both")
    of_two = [
        two_customers.get("/leads/both", params={"customer_id": name}) for name in ("acme", "beta")
    ]
    disputed = two_customers.post("/billing/disputes", json=dispute)
    disputed_of_one = two_customers.post(
        "/billing/disputes", json=dispute | {"customer_id": "acme"}
    )

    assert [answer.json()["customer_id"] for answer in of_two] == ["acme", "beta"]
    for answer, pointer in ((ambiguous, "/query/customer_id"), (disputed, "/customer_id")):
        assert answer.status_code == 409
        (error,) = answer.json()["errors"]
        assert (error["code"], error["pointer"]) == ("ambiguous_lead_id", pointer)
    assert disputed_of_one.json()["errors"][0]["code"] == "nothing_billed"
    assert client_as("viewer", "acme").get("/leads/both").json()["customer_id"] == "acme"


def test_senders_key_reads_nothing_and_a_viewers_sends_nothing(
    two_customers: httpx.Client, client_as: As
) -> None:
    assert client_as("ingest", "acme").get("/leads").status_code == 403
    assert post(client_as("viewer", "acme"), lead("new-1")).status_code == 403


def test_database_shows_a_customers_rows_alone_whatever_is_asked(
    two_customers: httpx.Client,
) -> None:
    with transaction() as session:
        acme = session.scalar(text("select customer_id from customers where name = 'The acme'"))

    with (
        in_role("lead_billing_service"),
        acting_as("a test", acme),
        snapshot() as session,
    ):
        seen = {
            table: session.scalar(text(f"select count(*) from {table}"))
            for table in ("customers", "leads", "actions", "billing_reports", "quarantined_leads")
        }
        lines = session.scalar(text("select count(*) from billing_report_lines"))

    assert seen == {
        "customers": 1,
        "leads": 2,
        "actions": 2,
        "billing_reports": 1,
        "quarantined_leads": 1,
    }
    assert lines == 1


def test_users_are_unmasked_for_who_may_see_people(
    two_customers: httpx.Client, client_as: As
) -> None:
    address = "/billing/reports/acme/2024-04.csv"

    masked = client_as("viewer", "acme").get(address)
    refused = client_as("viewer", "acme").get(address, params={"unmasked": "true"})

    assert "a***@people.test" in masked.text
    assert "acme-april@people.test" not in masked.text
    assert refused.status_code == 403
    for client in (two_customers, client_as("viewer+people", "acme")):
        assert "acme-april@people.test" in client.get(address, params={"unmasked": "true"}).text


def test_customers_viewer_sees_its_own_disputes_alone(
    two_customers: httpx.Client, client_as: As
) -> None:
    opened = {
        customer: two_customers.post(
            "/billing/disputes", json={"lead_id": f"{customer}-april", "reason": "spam"}
        ).json()["dispute_id"]
        for customer in ("acme", "beta")
    }
    two_customers.post(f"/billing/disputes/{opened['acme']}/accept").raise_for_status()
    viewer = client_as("viewer", "acme")

    listed = viewer.get("/billing/disputes").json()["data"]

    assert [row["dispute_id"] for row in listed] == [opened["acme"]]
    assert viewer.get(f"/billing/disputes/{opened['acme']}").status_code == 200
    assert viewer.get(f"/billing/disputes/{opened['beta']}").status_code == 404
    resolved = entries(two_customers, subject="dispute", action="decided")[0]
    assert (resolved["before"]["status"], resolved["after"]["status"]) == ("open", "accepted")


def test_export_holds_its_own_customers_rows_alone(
    two_customers: httpx.Client,
    client_as: As,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FILE_STORE_DIR", str(tmp_path))
    settings.cache_clear()
    viewer, other = (client_as("viewer", name) for name in ("acme", "beta"))

    files = {
        kind: exported(viewer, kind, "ndjson" if kind != "verification" else None)
        for kind in ("lines", "reports", "invoices", "verification")
    }

    assert [row["customer_id"] for row in ndjson_rows(files["lines"])] == ["acme"]
    assert [row["customer_id"] for row in ndjson_rows(files["reports"])] == ["acme"]
    assert [row["customer_id"] for row in ndjson_rows(files["invoices"])] == ["acme"]
    assert not any("beta" in name for name in zip_files(files["verification"]))
    for export in viewer.get("/exports").json()["data"]:
        address = f"/exports/{export['export_id']}"
        assert two_customers.get(address).status_code == 303
        assert other.get(address).status_code == 404
        assert other.get(f"{address}/file").status_code == 404
    assert other.get("/exports").json()["data"] == []
    foreign = ask_for(viewer, "lines", "csv", customer_ids=["beta"])
    unknown = ask_for(viewer, "lines", "csv", customer_ids=["nobody"])
    assert foreign.status_code == unknown.status_code == 422
    assert (
        foreign.text.replace("beta", "nobody").partition("correlation")[0]
        == (unknown.text.partition("correlation")[0])
    )


def test_import_is_shown_to_its_key_its_customer_and_admins_alone(
    two_customers: httpx.Client, client_as: As
) -> None:
    sender, other, common = (client_as("ingest", name) for name in ("acme", "beta", None))
    rows = "lead_id,product_id,lead_type,created_at\nmine,abc,Webinar,2024-04-01T00:00:00Z\n"
    query = {"mapping": '{"actions": []}'}
    own = sender.post("/imports", params=query, content=rows)
    assert own.status_code == 201, own.text
    assert own.json()["counts"]["created"] == 1
    foreign = sender.post(
        "/imports",
        params={"mapping": '{"actions": [], "constants": {"customer_id": "beta"}}'},
        content=rows,
    )

    assert foreign.json()["counts"]["invalid"] == 1
    for address in (
        f"/imports/{own.json()['import_id']}",
        f"/imports/{foreign.json()['import_id']}/refused.csv",
    ):
        assert sender.get(address).status_code == 200
        assert two_customers.get(address).status_code == 200
        assert other.get(address).status_code == 404
        assert common.get(address).status_code == 404


def test_mappings_of_a_customer_are_its_own(two_customers: httpx.Client, client_as: As) -> None:
    rows = "lead_id,product_id,lead_type,created_at\nmine,abc,Webinar,2024-04-01T00:00:00Z\n"
    mapping = {"preset": "generic", "actions": []}
    own, other, common = (client_as("ingest", name) for name in ("acme", "beta", None))
    own.put("/mappings/shop", json=mapping).raise_for_status()
    two_customers.put("/mappings/shop", json=mapping | {"time_zone": "UTC"}).raise_for_status()

    assert own.get("/mappings/shop").json()["mapping"] == mapping
    assert other.get("/mappings/shop").status_code == 404
    assert common.get("/mappings/shop").json()["mapping"]["time_zone"] == "UTC"
    assert own.post("/imports", params={"mapping": "shop"}, content=rows).status_code == 201
    unknown = other.post("/imports", params={"mapping": "shop"}, content=rows)
    assert unknown.status_code == 422

    assert common.put("/mappings/shop", json=mapping).status_code == 403
    assert common.delete("/mappings/shop").status_code == 403
    assert own.delete("/mappings/shop").status_code == 204
    assert two_customers.get("/mappings/shop").status_code == 200
