"""Final reports to verify."""

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import Engine

from tests.conftest import copy_of, led_to
from tests.support.api import action, check_shape, lead, post, register
from tests.support.clients import client_of
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
