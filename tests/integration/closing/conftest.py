"""Final reports to verify."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from sqlalchemy import Engine

from common.proof.sealing import seal_quietly
from common.proof.signing import make_key_file
from common.settings import settings
from tests.conftest import copy_of, led_to
from tests.support.api import action, check_shape, lead, path_of, post, register
from tests.support.clients import client_of
from tests.support.closing import execute
from tests.support.verification import NAME, USER, address, close, credit


@pytest.fixture(scope="session")
def _database_of_closed_months(
    server: Engine, template: str, gateway_address: str
) -> Iterator[str]:
    """The name of a database that is only ever copied: to fill one takes a second."""
    with copy_of(template, server) as url:
        with (
            pytest.MonkeyPatch.context() as patched,
            led_to(url, patched),
            client_of(gateway_address) as client,
        ):
            client.event_hooks["response"].append(check_shape)
            _fill(client)
        yield url.rpartition("/")[2]


@pytest.fixture
def closed_months(
    _database_of_closed_months: str,
    server: Engine,
    gateway_address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[httpx.Client]:
    """Three final reports in a chain: repeats, a split, late lines and credits among them."""
    with (
        copy_of(_database_of_closed_months, server) as url,
        led_to(url, monkeypatch),
        client_of(gateway_address) as client,
    ):
        client.event_hooks["response"].append(check_shape)
        yield client


class _Sealed(NamedTuple):
    database: str
    folder: Path


def _sign_with(folder: Path, patched: pytest.MonkeyPatch) -> None:
    patched.setenv("SIGNING_KEY_FILE", str(folder / "key.pem"))
    patched.setenv("HEADS_DIR", str(folder / "heads"))
    settings.cache_clear()


@pytest.fixture(scope="session")
def _database_of_sealed_months(
    server: Engine,
    _database_of_closed_months: str,
    gateway_address: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[_Sealed]:
    folder = tmp_path_factory.mktemp("sealed")
    make_key_file(folder / "key.pem")
    with copy_of(_database_of_closed_months, server) as url:
        with (
            pytest.MonkeyPatch.context() as patched,
            led_to(url, patched),
            client_of(gateway_address) as client,
        ):
            client.event_hooks["response"].append(check_shape)
            _sign_with(folder, patched)
            _fill_more(client)
            client.put("/products/later", json={"name": "Later"}).raise_for_status()
            seal_quietly()  # a head over another audit entry
        yield _Sealed(url.rpartition("/")[2], folder)


@pytest.fixture
def sealed_months(
    _database_of_sealed_months: _Sealed,
    server: Engine,
    gateway_address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[httpx.Client]:
    """Signed reports of two customers, and rows of all that a report may stand on.

    Nothing is to be signed here: the key and the second place are those of all these tests.
    """
    with (
        copy_of(_database_of_sealed_months.database, server) as url,
        led_to(url, monkeypatch),
        client_of(gateway_address) as client,
    ):
        _sign_with(_database_of_sealed_months.folder, monkeypatch)
        client.event_hooks["response"].append(check_shape)
        yield client


def _fill_more(api: httpx.Client) -> None:
    """An open and a rejected dispute; a customer with a card of its own and a voided action."""
    lines = api.get(address("2024-04")).json()["lines"]
    for line, decision in ((lines[5], "reject"), (lines[7], None)):
        body = {"lead_id": "l-1", "action_id": line["action_id"], "reason": "spam", "note": "why"}
        dispute = api.post("/billing/disputes", json=body).raise_for_status().json()
        if decision:
            decided = f"/billing/disputes/{dispute['dispute_id']}/{decision}"
            api.post(decided, json={"note": "no"}).raise_for_status()
    body = {"name": "Beta", "email": "beta@partner.test"}
    api.put("/customers/beta", json=body).raise_for_status()
    execute(
        """
        with card as (
            insert into rate_cards (customer_id, name, version, valid_from)
            select customer_id, 'Own', 1, '2024-01-01' from customers where external_id = 'beta'
            returning *
        ),
        charged as (
            insert into rate_card_charged_duplicates (rate_card_id, lead_type, customer_id)
            select rate_card_id, 'Webinar', customer_id from card
        )
        insert into rate_card_rates (
            rate_card_id, customer_id, engagement_level, amount_cents, product_id
        )
        select rate_card_id, card.customer_id, 'High', 1100, product_id
        from card, products where products.external_id = 'abc'
        union all
        select rate_card_id, customer_id, unnest(enum_range(null::engagement_level)), 900, null
        from card
        """
    )
    acts = [action("Call"), action("Sent by mistake", "2024-04-09T09:00:00Z")]
    post(api, lead("b-1", *acts, customer_id="beta", user=USER)).raise_for_status()
    stored = api.get("/leads/b-1", params={"customer_id": "beta"}).json()["actions"]
    (mistake,) = [each for each in stored if each["action_type"] == "Sent by mistake"]
    voided = {"customer_id": "beta", "action_ids": [mistake["action_id"]], "reason": "a test"}
    api.post(path_of("leads", "b-1", "void"), json=voided).raise_for_status()
    close(api, "2024-04")


def _fill(api: httpx.Client) -> None:
    register(api, customers={NAME: "Asia/Kolkata"}, products="abc \u20acdef")
    many = [action(f"Kind {number}\t\"é\\", f"2024-04-{number + 1:02d}T12:00:00.5Z")
            for number in range(11)]  # fmt: skip
    post(api, lead("l-1", *many, many[0], customer_id=NAME, user=USER)).raise_for_status()
    may = action("Call\u007f", "2024-05-03T12:00:00Z", "Low")
    post(api, lead("l-2", may, customer_id=NAME, product_id="\u20acdef")).raise_for_status()
    close(api, "2024-04")
    late = [action('Kind 1\t"é\\', "2024-04-01T08:00:00Z"), action("Late", "2024-04-01T08:00:00Z")]
    post(api, lead("l-3", *late, customer_id=NAME)).raise_for_status()
    lines = api.get(address("2024-04")).json()["lines"]
    credit(api, lines[4]["action_id"], lines[2]["action_id"])
    close(api, "2024-05")
    post(api, lead("l-4", action("Later", "2024-04-01T09:00:00Z"), customer_id=NAME, user=USER))
    close(api, "2024-06")
    post(api, lead("l-5", action("Open", "2024-04-01T09:00:00Z"), customer_id=NAME, user=USER))
