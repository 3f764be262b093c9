"""The API and the console's pages of webhooks, and whose webhook is whose."""

import re
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from common.database.transactions import transaction
from tests.integration.access.conftest import As, admin, client_as, two_customers
from tests.support.api import lead, post
from tests.support.pages import pages
from tests.support.webhooks import EVENTS, Receiver, created, deliveries, send

__all__ = ["admin", "client_as", "two_customers"]

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_secret_is_shown_once_and_is_nowhere_in_the_database(
    acme: httpx.Client, receiver: Receiver
) -> None:
    webhook = created(acme, receiver)
    secret = webhook["secret"]

    with transaction() as session:
        rows = (
            session.execute(text("select to_jsonb(webhooks)::text from webhooks")).scalars().all()
        )
        audit = session.execute(text("select to_jsonb(audit_log)::text from audit_log")).scalars()
        stored = "".join([*rows, *audit])
    shown = acme.get(f"/webhooks/{webhook['webhook_id']}").text + acme.get("/webhooks").text

    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    assert secret[6:] not in stored
    assert "secret" not in {*acme.get(f"/webhooks/{webhook['webhook_id']}").json()}
    assert secret not in shown
    assert "/hook" not in acme.get("/audit").text


def test_list_of_webhooks_comes_in_pages(acme: httpx.Client, receiver: Receiver) -> None:
    made = [created(acme, receiver)["webhook_id"] for _ in range(5)]

    listed = [row["webhook_id"] for row in pages(acme, "/webhooks", limit=2)]

    assert listed == made[::-1]


def test_deliveries_come_in_pages_and_by_status(acme: httpx.Client, receiver: Receiver) -> None:
    webhook = created(acme, receiver)
    for name in ("a", "b", "c"):
        post(acme, lead(name, product_id="unknown"))
    send()
    post(acme, lead("d", product_id="unknown"))

    address = f"/webhooks/{webhook['webhook_id']}/deliveries"
    rows = list(pages(acme, address, limit=2))

    assert [row["data"]["leads"][0]["lead_id"] for row in rows] == ["d", "c", "b", "a"]
    assert len(deliveries(acme, webhook, status="delivered")) == 3
    assert len(deliveries(acme, webhook, status="waiting")) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "https://10.0.0.1/", "events": ["report.finalized"]}, "/url"),
        ({"url": "http://hooks.example/", "events": ["report.finalized"]}, "/url"),
        ({"url": "https://hooks.example/", "events": []}, "/events"),
        ({"url": "https://hooks.example/", "events": ["budget.reached"]}, "/events/0"),
        ({"url": "https://hooks.example/", "events": ["report.finalized"], "x": 1}, "/x"),
        ({"events": ["report.finalized"]}, "/url"),
    ],
)
def test_webhook_that_cannot_be_is_refused(
    acme: httpx.Client, body: dict[str, object], pointer: str
) -> None:
    answer = acme.post("/webhooks", json=body)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_number_of_webhooks_is_limited(acme: httpx.Client, receiver: Receiver) -> None:
    for _ in range(20):
        created(acme, receiver)

    answer = acme.post("/webhooks", json={"url": receiver.url, "events": EVENTS})

    assert answer.status_code == 409
    created(acme, receiver, customer_id="acme")


def test_what_is_not_there_is_404(acme: httpx.Client, receiver: Receiver) -> None:
    webhook = created(acme, receiver)["webhook_id"]

    assert acme.get(f"/webhooks/{uuid4()}").status_code == 404
    assert acme.delete(f"/webhooks/{uuid4()}").status_code == 404
    assert acme.get(f"/webhooks/{uuid4()}/deliveries").status_code == 404
    address = f"/webhooks/{webhook}/deliveries/{uuid4()}/redeliver"
    assert acme.post(address).status_code == 404
    body = {"url": receiver.url, "events": EVENTS, "customer_id": "nobody"}
    assert acme.post("/webhooks", json=body).status_code == 404


def test_deleted_webhook_takes_its_deliveries_along(acme: httpx.Client, receiver: Receiver) -> None:
    webhook = created(acme, receiver)
    post(acme, lead("held", product_id="unknown"))

    assert acme.delete(f"/webhooks/{webhook['webhook_id']}").status_code == 204

    with transaction() as session:
        assert session.scalars(text("select count(*) from webhook_deliveries")).one() == 0
    assert not send()


def test_disabled_webhook_redelivers_nothing(acme: httpx.Client, receiver: Receiver) -> None:
    webhook = created(acme, receiver)
    post(acme, lead("held", product_id="unknown"))
    [delivery] = deliveries(acme, webhook)
    address = f"/webhooks/{webhook['webhook_id']}"
    acme.post(f"{address}/disable").raise_for_status()

    answer = acme.post(f"{address}/deliveries/{delivery['delivery_id']}/redeliver")

    assert answer.status_code == 409


def test_every_change_of_a_webhook_leaves_an_entry(acme: httpx.Client, receiver: Receiver) -> None:
    address = f"/webhooks/{created(acme, receiver)['webhook_id']}"
    for verb in ("rotate", "disable", "enable"):
        acme.post(f"{address}/{verb}").raise_for_status()
    acme.delete(address)

    entries = acme.get("/audit", params={"subject": "webhook"}).json()["data"]

    assert [entry["action"] for entry in entries] == [
        "deleted",
        "enabled",
        "disabled",
        "rotated",
        "created",
    ]


def test_key_of_a_customer_manages_and_sees_its_own_webhooks_alone(
    two_customers: httpx.Client, client_as: As, receiver: Receiver
) -> None:
    of_acme, of_beta = client_as("viewer", "acme"), client_as("viewer", "beta")
    acmes = created(of_acme, receiver)
    betas = created(of_beta, receiver)
    operators = created(two_customers, receiver)
    for customer in ("acme", "beta"):
        post(two_customers, lead(f"{customer}-x", customer_id=customer, product_id="unknown"))

    assert (acmes["customer_id"], operators["customer_id"]) == ("acme", None)
    assert [row["webhook_id"] for row in of_acme.get("/webhooks").json()["data"]] == [
        acmes["webhook_id"]
    ]
    assert len(two_customers.get("/webhooks").json()["data"]) == 3
    assert len(deliveries(of_acme, acmes)) == 1
    assert len(deliveries(two_customers, operators)) == 2
    for theirs in (betas, operators):
        address = f"/webhooks/{theirs['webhook_id']}"
        delivery = deliveries(two_customers, theirs)[0]["delivery_id"]
        for method, path in (
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/rotate"),
            ("POST", "/disable"),
            ("POST", "/enable"),
            ("GET", "/deliveries"),
            ("POST", f"/deliveries/{delivery}/redeliver"),
        ):
            answer = of_acme.request(method, address + path)
            assert answer.status_code == 404, (method, path)
    body = {"url": receiver.url, "events": EVENTS, "customer_id": "beta"}
    assert of_acme.post("/webhooks", json=body).status_code == 404
    for verb in ("rotate", "disable", "enable"):
        of_acme.post(f"/webhooks/{acmes['webhook_id']}/{verb}").raise_for_status()
    assert of_acme.delete(f"/webhooks/{acmes['webhook_id']}").status_code == 204


def test_viewer_of_all_customers_reads_webhooks_and_changes_none(
    two_customers: httpx.Client, client_as: As, receiver: Receiver
) -> None:
    viewer = client_as("viewer")
    address = f"/webhooks/{created(two_customers, receiver)['webhook_id']}"

    assert viewer.get(address).status_code == 200
    body = {"url": receiver.url, "events": EVENTS}
    assert viewer.post("/webhooks", json=body).status_code == 403
    assert viewer.delete(address).status_code == 403
    assert viewer.post(f"{address}/rotate").status_code == 403
    assert "Create webhook" not in viewer.get("/console/webhooks", headers=BROWSER).text


def test_database_shows_a_customer_no_delivery_of_the_operators(
    two_customers: httpx.Client, client_as: As, receiver: Receiver
) -> None:
    created(two_customers, receiver)
    post(two_customers, lead("acme-x", product_id="unknown"))

    with transaction() as session:
        session.execute(
            text(
                "select set_config('role', 'lead_billing_customer', true), set_config("
                "'lead_billing.tenant', (select customer_id::text from customers "
                "where external_id = 'acme'), true)"
            )
        )
        counts = session.execute(
            text(
                "select (select count(*) from webhooks), (select count(*) from webhook_deliveries)"
            )
        ).one()

    assert tuple(counts) == (0, 0)


def test_console_creates_shows_and_redelivers(acme: httpx.Client, receiver: Receiver) -> None:
    acme.headers.update(BROWSER)
    fields = {"url": receiver.url, "events": EVENTS}

    page = acme.post("/console/webhooks", data=fields)
    [secret] = re.findall(r"whsec_[A-Za-z0-9+/=]+", page.text.replace("&#43;", "+"))
    [webhook] = re.findall(r"console/webhook\?id=([0-9a-f-]{36})", page.text)
    post(acme, lead("held", product_id="unknown"))
    send()
    address = f"/console/webhook?id={webhook}"
    shown = acme.get(address)
    [delivery] = re.findall(r'name="delivery_id" value="([^"]+)"', shown.text)
    again = acme.post(address, data={"do": "redeliver", "delivery_id": delivery})
    send()

    assert receiver.received[0].verify(secret)["type"] == "lead.quarantined"
    assert secret not in shown.text
    assert "delivered" in shown.text
    assert again.status_code == 303
    assert len({message.id for message in receiver.received}) == 1
    assert len(receiver.received) == 2
    acme.headers["accept"] = "*/*"


def test_console_rotates_disables_enables_and_deletes(
    acme: httpx.Client, receiver: Receiver
) -> None:
    address = f"/console/webhook?id={created(acme, receiver)['webhook_id']}"
    acme.headers.update(BROWSER)

    assert "whsec_" in acme.post(address, data={"do": "rotate"}).text
    assert acme.post(address, data={"do": "disable"}).status_code == 303
    assert "Enable</button>" in acme.get(address).text
    assert acme.post(address, data={"do": "enable"}).status_code == 303
    assert acme.post(address, data={"do": "dance"}).status_code == 400
    assert acme.post(address, data={"do": "delete"}).status_code == 303
    assert acme.get(address).status_code == 404
    acme.headers["accept"] = "*/*"


def test_console_shows_a_refused_form_again(acme: httpx.Client) -> None:
    acme.headers.update(BROWSER)

    page = acme.post(
        "/console/webhooks", data={"url": "https://10.0.0.1/", "events": "report.finalized"}
    )

    assert page.status_code == 422
    assert 'value="https://10.0.0.1/"' in page.text
    assert "not public" in page.text
    acme.headers["accept"] = "*/*"
