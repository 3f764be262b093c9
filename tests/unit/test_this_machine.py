"""Which host names and addresses are this machine: exactly its own, and none that look like it."""

import pytest

from common.this_machine import is_loopback, names_this_machine, was_passed_on

OURS = [
    "localhost",
    "LOCALHOST",
    "localhost:8080",
    "console.localhost",
    "a.b.localhost:1",
    "127.0.0.1",
    "127.0.0.1:8080",
    "127.255.255.254",
    "[::1]",
    "[::1]:8080",
    "[::ffff:127.0.0.1]:8080",
    "[::FFFF:7F00:1]",
]
FOREIGN = [
    "",
    "evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1.evil.example:8080",
    "127.evil.example",
    "localhost.evil.example",
    "evil-localhost",
    "notlocalhost",
    ".localhost",
    "localhost.",
    "127.0.0.1.",
    "2130706433",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "127.1",
    "127.0.0.01",
    "::1",
    "[127.0.0.1]",
    "[localhost]",
    "[::1].evil.example",
    "[::1]evil",
    "[::1%lo]",
    "[::ffff:192.0.2.1]",
    "192.0.2.1",
    "0.0.0.0",  # noqa: S104
    "128.0.0.1",
    "localhost:8080:80",
    "localhost:port",
    "localhost@evil.example",
    "evil.example@localhost",
    "evil.example,localhost",
    "evil.example/localhost",
    "localhost/.evil.example",
    "localhost#.evil.example",
    "localhost\n",
    " localhost",
    "\u0661\u0662\u0667.0.0.1",  # the digits 127 of another script
]


@pytest.mark.parametrize("host", OURS)
def test_host_names_this_machine(host: str) -> None:
    assert names_this_machine(host)


@pytest.mark.parametrize("host", FOREIGN)
def test_host_names_another_machine_or_none(host: str) -> None:
    assert not names_this_machine(host)


def test_address_is_loopback_only_if_it_is_whole() -> None:
    ours = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]
    foreign = [None, "", "127.", "127.0.0.1.evil.example", "::ffff:192.0.2.1", "192.0.2.1", "::"]

    assert [address for address in ours if not is_loopback(address)] == []
    assert [address for address in foreign if is_loopback(address)] == []


@pytest.mark.parametrize(
    ("header", "is_proxys"),
    [
        ("forwarded", True),
        ("via", True),
        ("x-real-ip", True),
        ("x-forwarded-for", True),
        ("x-forwarded-anything", True),
        ("x-gateway-request-id", False),
        ("x-forwarded", False),
        ("host", False),
    ],
)
def test_header_that_a_proxy_sets_tells_of_it(header: str, is_proxys: bool) -> None:
    assert was_passed_on(["accept", header]) is is_proxys
