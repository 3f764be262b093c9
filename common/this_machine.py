"""Whether a name or an address is this machine, and whether a proxy passed a request on.

Invariant: nothing counts as this machine by how it begins or ends. A web page can own a name such
as `127.0.0.1.evil.example`, and have it lead here.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address

_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9a-f:.]+)]|(?P<name>[0-9a-z.-]+))(?::[0-9]{1,5})?")
_LOCALHOST = re.compile(r"(?:[0-9a-z-]+\.)*localhost")

_FORWARDING = {"forwarded", "via", "x-real-ip"}


def is_loopback(address: str | None) -> bool:
    """Whether it is a loopback address of IPv4 or IPv6, or an IPv4 one written as IPv6."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return (mapped or ip).is_loopback


def names_this_machine(host: str) -> bool:
    """Whether a Host header, with a port or without, leads to this machine wherever it is used."""
    parts = _HOST.fullmatch(host.lower())
    if parts is None:
        return False
    if parts["ipv6"]:
        return ":" in parts["ipv6"] and is_loopback(parts["ipv6"])
    return bool(_LOCALHOST.fullmatch(parts["name"])) or is_loopback(parts["name"])


def was_passed_on(header_names: Iterable[str]) -> bool:
    """Whether the headers of a request, in lower case, say that a proxy passed it on.

    With a proxy on this machine, everybody's requests come from a loopback address.
    """
    return any(name in _FORWARDING or name.startswith("x-forwarded-") for name in header_names)
