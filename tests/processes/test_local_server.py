"""The server that `make run` and `make demo` start, as a process of its own."""

import json
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from scripts import demo
from scripts.api_client import api_client
from scripts.embedded_postgres import EmbeddedPostgres
from scripts.local_server import PortTakenError
from tests.support.api import PROJECT
from tests.support.processes import command, running

SAMPLE = (PROJECT / "docs" / "samples" / "sample_leads.json").read_bytes()
JSON = {"content-type": "application/json"}


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def register_the_sample(client: httpx.Client) -> None:
    for number in ("123", "456"):
        customer = {"name": f"Customer {number}", "email": f"billing@{number}.example"}
        client.put(f"/customers/customer-{number}", json=customer).raise_for_status()
    for name in ("abc", "def", "xyz"):
        client.put(f"/products/product-{name}", json={"name": name}).raise_for_status()


def test_ready_server_answers_for_the_function_and_for_the_service(tmp_path: Path) -> None:
    with running(tmp_path) as (_, client):
        register_the_sample(client)

        stored = client.post("/leads", content=SAMPLE, headers=JSON)

        assert (stored.status_code, stored.json()["created"]) == (201, 4)
        assert client.get("/health/ready").status_code == 200
        report = client.get("/billing/reports/customer-123/2024-04").json()
        assert report["totals"]["billed"] == "12.00"


@pytest.mark.parametrize(("request_to_stop", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_asked_to_stop_it_stops_its_database_too(
    tmp_path: Path, request_to_stop: signal.Signals, status: int
) -> None:
    with running(tmp_path) as (process, _):
        assert EmbeddedPostgres(tmp_path).running_url() is not None

        process.send_signal(request_to_stop)

        assert process.wait(timeout=60) == status
        assert EmbeddedPostgres(tmp_path).running_url() is None


def test_acknowledged_leads_survive_a_killed_server(tmp_path: Path) -> None:
    with running(tmp_path) as (process, client):
        register_the_sample(client)
        client.post("/leads", content=SAMPLE, headers=JSON).raise_for_status()
        process.kill()
        process.wait()

    with running(tmp_path) as (_, client):
        again = client.post("/leads", content=SAMPLE, headers=JSON)

        assert again.json()["unchanged"] == 4


def test_database_url_takes_the_place_of_the_embedded_database(
    tmp_path: Path, empty_database_url: str
) -> None:
    with running(tmp_path, DATABASE_URL=empty_database_url) as (_, client):
        assert client.get("/health/ready").status_code == 200

    assert not (tmp_path / "postgres").exists()

    other = {"DATABASE_URL": empty_database_url, "USER_HASH_KEY": "another" * 8}
    refused = command("scripts.local_server", "--port", 0, "--data-dir", tmp_path, **other)
    status, _, errors = outcome(refused)
    assert status == 1
    assert "is not the key that this database's users are hashed with" in errors


def test_key_of_users_is_made_once_and_kept_private(tmp_path: Path) -> None:
    with running(tmp_path):
        key = (tmp_path / "user_hash_key").read_text()
    with running(tmp_path):
        pass

    assert len(key) >= 32
    assert (tmp_path / "user_hash_key").read_text() == key
    assert stat.S_IMODE((tmp_path / "user_hash_key").stat().st_mode) == 0o600


def test_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        process = command("scripts.local_server", "--port", port, "--data-dir", tmp_path)

        status, _, errors = outcome(process)
    assert status == 1
    assert errors.startswith(f"error: Cannot listen on 127.0.0.1 port {port}")
    assert errors.count("\n") == 1


def test_directory_of_a_live_server_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as (first, client):
        second = command("scripts.local_server", "--port", 0, "--data-dir", tmp_path)

        status, _, errors = outcome(second)

        assert status == 1
        assert errors.startswith(f"error: The data directory {tmp_path} is in use by process")
        assert str(first.pid) in errors
        assert client.get("/health/ready").status_code == 200


def test_body_over_the_gateways_limit_is_refused_unread(tmp_path: Path) -> None:
    with running(tmp_path) as (_, client):
        refused = client.post("/leads", content=b" " * (10 * 1024 * 1024 + 1), headers=JSON)

        posted = client.post("/imports", content=b" " * (10 * 1024 * 1024 + 1), headers=JSON)

    for answer in (refused, posted):
        assert (answer.status_code, answer.text) == (413, '{"message":"Request Entity Too Large"}')


def test_demo_prints_the_bill_of_the_brief_each_time(tmp_path: Path) -> None:
    for counts in ("4 created", "4 unchanged"):
        process = command("scripts.demo", "--once", "--port", 0, "--data-dir", tmp_path)

        status, output, errors = outcome(process)

        assert (status, errors) == (0, "")
        assert counts in output
        for figure in ("Acme Corporation", "April 2024", "May 2024", "22.00", "12.00", "7.00"):
            assert figure in output


def test_demo_moves_to_the_next_port_unless_one_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(demo, "DEFAULT_PORT", port)

        with pytest.raises(PortTakenError, match=f"port {port}"):
            demo.open_listener("127.0.0.1", port, said.append)
        with demo.open_listener("127.0.0.1", None, said.append) as listener:
            assert listener.getsockname()[1] != port

    assert len(said) == 1
    assert said[0].startswith(f"Port {port} is taken: using ")


def test_server_that_others_reach_does_not_start_open(tmp_path: Path) -> None:
    serve = ("--host", "0.0.0.0", "--port", 0, "--data-dir", tmp_path)  # noqa: S104

    status, _, errors = outcome(command("scripts.local_server", *serve, OPEN_ACCESS="true"))

    assert status == 1
    assert "OPEN_ACCESS is allowed on loopback only" in errors


@contextmanager
def started(data_dir: Path, *arguments: object, **environment: str) -> Iterator[tuple[str, str]]:
    """A server as `make run` starts it: what it says until it is ready, and its address."""
    serve = ("--port", 0, "--workers", 1, "--data-dir", data_dir, *arguments)
    process = command("scripts.local_server", *serve, **environment)
    assert process.stdout is not None
    try:
        said = ""
        while not (line := process.stdout.readline()).startswith("ready "):
            assert line, (said, process.communicate()[1])
            said += line
        yield said, line.split()[1]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_first_start_makes_an_admin_key_and_prints_it_once(tmp_path: Path) -> None:
    kept = tmp_path / "admin_key"
    with started(tmp_path) as (said, address):
        key = kept.read_text()
        headers = {"authorization": f"Bearer {key}"}

        assert said.count(key) == 1
        assert f"Sign in at {address}/console/sign-in with the admin key in {kept}" in said
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert httpx.get(f"{address}/customers").status_code == 401
        assert httpx.post(f"{address}/leads", content=b"[]", headers=JSON).status_code == 401
        assert httpx.get(f"{address}/customers", headers=headers).status_code == 200

    with started(tmp_path) as (said, address):
        assert key not in said
        assert str(kept) in said
        assert httpx.get(f"{address}/customers", headers=headers).status_code == 200


def test_open_access_is_a_choice_and_is_said(tmp_path: Path) -> None:
    with started(tmp_path, OPEN_ACCESS="true") as (said, address):
        assert f"Open access: every program on this machine is admin at {address}" in said
        assert httpx.get(f"{address}/customers").status_code == 200
    assert not (tmp_path / "admin_key").exists()


def test_commands_find_the_key_of_the_server_they_call_and_send_it_nowhere_else(
    tmp_path: Path, gateway_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.delenv("API_KEY", raising=False)
    with started(tmp_path) as (_, address):
        key = f"Bearer {(tmp_path / 'admin_key').read_text()}"
        seeded = command("scripts.seed", "--leads", 20, "--api", address)
        status, output, errors = outcome(seeded)
        with api_client(address.replace("127.0.0.1", "localhost")) as client:
            assert client.headers.get("authorization") == key
        for other in (gateway_address, "http://evil.example:" + address.rpartition(":")[2]):
            with api_client(other) as client:
                assert "authorization" not in client.headers

    assert (status, errors) == (0, ""), output
    with api_client(address) as client:  # the server has ended: another one may be there
        assert "authorization" not in client.headers


def test_demo_that_needs_keys_creates_one_and_keeps_it_private(tmp_path: Path) -> None:
    kept = tmp_path / "admin_key"
    with running(tmp_path, "scripts.demo", OPEN_ACCESS="false") as (_, client):
        refused = client.get("/audit")
        client.headers["authorization"] = f"Bearer {kept.read_text()}"
        entry = client.get("/audit", params={"subject": "api_key"}).json()["data"][0]

    assert refused.status_code == 401
    assert entry["actor"] == "local server"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_keys_are_made_by_command_and_open_the_server(tmp_path: Path) -> None:
    made = command(
        *("scripts.manage", "--data-dir", tmp_path, "key-create"),
        *("--name", "me", "--role", "admin"),
    )
    status, said, complaint = outcome(made)
    assert status == 0, complaint
    key = said.splitlines()[-1]

    with running(tmp_path, OPEN_ACCESS="false") as (_, client):
        refused = client.get("/keys")
        client.headers["authorization"] = f"Bearer {key}"
        listed = client.get("/keys").json()["data"]
        entry = client.get("/audit", params={"subject": "api_key"}).json()["data"][0]

    assert refused.status_code == 401
    assert [key["name"] for key in listed] == ["me"]
    assert entry["actor"].startswith("command key-create by ")


def test_user_is_erased_by_command_beside_a_running_server(tmp_path: Path) -> None:
    lead = json.loads(SAMPLE)[0] | {"user": {"email": "ann@people.test"}}
    with running(tmp_path) as (_, client):
        register_the_sample(client)
        client.post("/leads", json=lead).raise_for_status()

        erased = command(
            *("scripts.manage", "--data-dir", tmp_path, "erase"),
            *("--customer", "customer-123", "--user", "ann@people.test"),
            USER="ann@people.test",  # as make hands it on
        )
        status, said, complaint = outcome(erased)
        stored = client.get("/leads/uuid-1").json()
        audited = client.get("/audit").text

    assert "ann@people.test" not in audited
    assert (status, said.strip()) == (0, "erased from 1 leads and 0 in quarantine"), complaint
    assert "ann@people.test" not in json.dumps(stored)
