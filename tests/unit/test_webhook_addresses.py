"""Where a webhook may lead: to the public internet, and nowhere inside."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from common.events import addresses, posting
from common.events.addresses import is_public, parse, require_address
from common.events.posting import post
from common.events.signing import Message
from common.problems import Invalid
from common.settings import Settings
from functions.webhooks.handler import handler

INSIDE = [
    "0.0.0.0",  # noqa: S104
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::10.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:a00:1::1",
    "2002:7f00:1::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"]


@pytest.mark.parametrize("address", INSIDE)
def test_address_inside_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1:8443/hook",
    ],
)
def test_url_that_leads_inside_is_refused_when_registered_and_when_sent_to(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        require_address(url, to_loopback=False)
    assert [error.code for error in refused.value.errors] == ["address_refused"]
    assert post(Message(url, {}, "{}")).error == "leads to an address that is not public"


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "https://",
        "https:///hook",
        "hooks.example/hook",
        "https://user:word" + "@hooks.example/",
        "https://hooks.example/#part",
        "https://hooks.example:port/",
        "https://hooks.example/" + "a" * 2000,
        "https://hooks.example/\n",
        "https://0177.0.0.1/",
        "",
    ],
)
def test_what_is_no_https_url_of_a_host_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        require_address(url, to_loopback=False)


def test_loopback_over_http_needs_the_setting_and_opens_nothing_else() -> None:
    assert require_address("http://127.0.0.1:9/x", to_loopback=True) == "http://127.0.0.1:9/x"
    assert require_address("http://[::1]:9/x", to_loopback=True) == "http://[::1]:9/x"
    for url in ("http://127.0.0.1:9/", "https://127.0.0.1:9/"):
        with pytest.raises(Invalid):
            require_address(url, to_loopback=False)
    for url in ("http://10.0.0.1/", "https://169.254.169.254/", "http://8.8.8.8/"):
        with pytest.raises(Invalid):
            require_address(url, to_loopback=True)


@pytest.mark.parametrize("name", ["AWS_LAMBDA_FUNCTION_NAME", "ECS_CONTAINER_METADATA_URI_V4"])
def test_what_is_deployed_refuses_to_send_to_itself(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPEN_ACCESS", "false")
    monkeypatch.setenv("WEBHOOKS_TO_LOOPBACK", "true")
    monkeypatch.setenv(name, "x")

    with pytest.raises(ValueError, match="never for what is deployed"):
        Settings()


def answered(*texts: str) -> Any:
    """What the resolver answers."""
    families = {4: socket.AF_INET, 6: socket.AF_INET6}
    return [
        (families[ipaddress.ip_address(text).version], socket.SOCK_STREAM, 6, "", (text, 0))
        for text in texts
    ]


def test_name_is_refused_if_one_of_its_addresses_is_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered("8.8.8.8", "10.0.0.1"))

    with pytest.raises(Invalid):
        require_address("https://hooks.example/", to_loopback=False)


def test_name_that_is_not_found_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any, **__: Any) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", nothing)

    with pytest.raises(Invalid):
        require_address("https://hooks.example/", to_loopback=False)


def test_lookup_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(addresses, "LOOKUP_SECONDS", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(10))

    assert post(Message("https://hooks.example/", {}, "{}")).error == "the host was not found"
    over.set()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of hooks.example with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@pytest.fixture
def secure_receiver(certificate: Path) -> Iterator[tuple[int, list[str]]]:
    """The port of an https server, and the hosts that were asked for."""
    hosts: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hosts.append(self.headers["host"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port, hosts
    server.shutdown()
    server.server_close()
    thread.join()


def test_connection_goes_to_the_checked_address_and_the_certificate_must_be_the_names(
    secure_receiver: tuple[int, list[str]], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, hosts = secure_receiver
    lookups: list[str] = []

    def resolve(host: str, *_: Any, **__: Any) -> Any:
        """Answers differently at the second lookup, as a rebinding attacker's server does."""
        lookups.append(host)
        is_first = lookups.count(host) == 1 or host == "127.0.0.1"
        return answered("127.0.0.1" if is_first else "10.0.0.1")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(posting, "_tls", lambda: trusting)

    good = post(Message(f"https://hooks.example:{port}/x", {}, "{}"), to_loopback=True)
    other = post(Message(f"https://other.example:{port}/x", {}, "{}"), to_loopback=True)

    assert good.is_delivered
    assert hosts == [f"hooks.example:{port}"]
    assert [lookups.count(name) for name in ("hooks.example", "other.example")] == [1, 1]
    assert other.error == "its certificate is not valid"


def test_certificate_of_nobody_known_is_refused(
    secure_receiver: tuple[int, list[str]],
) -> None:
    port, hosts = secure_receiver

    outcome = post(Message(f"https://127.0.0.1:{port}/", {}, "{}"), to_loopback=True)

    assert outcome.error == "its certificate is not valid"
    assert hosts == []


@pytest.fixture
def dripping_port() -> Iterator[int]:
    """The port of a server that sends a byte of its answer now and then, and never ends it."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.02):
                    connection.sendall(b"X: y\r\n")
            except OSError:
                pass

    thread = threading.Thread(target=drip)
    thread.start()
    yield listener.getsockname()[1]
    over.set()
    thread.join()
    listener.close()


def test_answer_without_end_is_given_up(
    dripping_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "TOTAL_SECONDS", 0.3)

    outcome = post(Message(f"http://127.0.0.1:{dripping_port}/", {}, "{}"), to_loopback=True)

    assert outcome.error in {"no answer in time", "no valid answer"}


def test_long_answer_is_read_to_a_bound_alone() -> None:
    read = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            nonlocal read
            while True:
                read += 1024
                yield b"x" * 1024

    asyncio.run(posting._read_rest(httpx.Response(200, stream=Endless())))

    assert read <= 66 * 1024


def test_sender_function_refuses_what_leads_inside_whatever_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEBHOOKS_TO_LOOPBACK", "true")
    event = {"url": "http://127.0.0.1:9/", "headers": {}, "body": "{}"}

    assert handler(event, None) == {
        "status": None,
        "error": "must begin with https:// and name a host",
    }


def test_parsed_url_keeps_its_path_and_query() -> None:
    url = parse("https://hooks.example:8443/a%20b?c=d%26e", to_loopback=False)

    assert url.copy_with(host="8.8.8.8").raw_path == b"/a%20b?c=d%26e"
