"""Which addresses a webhook may have, and which the connection to it may really go to.

Invariant: nothing inside is reached. A name is looked up and its addresses are checked, and the
connection then goes to the address that was checked (posting.py), never to the name again.
"""

import socket
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

from common.problems import FieldError, Invalid
from common.this_machine import is_loopback

MAX_URL_LENGTH = 2000
LOOKUP_SECONDS = 5.0

# Besides what `is_global` leaves out, which differs from one Python to the next.
_SPECIAL_IPV4 = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; Alibaba's metadata too
        "168.63.129.16/32",  # Azure's own server
        "169.254.0.0/16",  # link-local; AWS's metadata too
        "192.0.0.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "198.18.0.0/15",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",
    )
)
# IPv6 that reaches the public internet is in 2000::/3, without what carries an IPv4 address inside
# (Teredo, 6to4) or is for documents. So mapped addresses, NAT64 and all that is local stay out.
_PUBLIC_IPV6 = ip_network("2000::/3")
_SPECIAL_IPV6 = tuple(
    ip_network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_lookups = ThreadPoolExecutor(8, "looking up")


class AddressRefused(Exception):
    """The address may not be used, or was not found. The text may be shown to anybody."""


def require_address(url: str, to_loopback: bool) -> str:
    """The URL in its normal form, if it may be a webhook's. Raises Invalid.

    `to_loopback`: it may also lead to this very machine, and over http.
    """
    try:
        parsed = parse(url, to_loopback)
        look_up(parsed, to_loopback)
    except AddressRefused as refusal:
        error = FieldError("/url", "address_refused", str(refusal))
        raise Invalid("the webhook's address was refused", [error]) from None
    return str(parsed)


def parse(url: str, to_loopback: bool) -> httpx.URL:
    """Raises AddressRefused for what is no https address of a host."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise AddressRefused("is not a URL") from None
    schemes = {"https", "http"} if to_loopback else {"https"}
    if parsed.scheme not in schemes or not parsed.host:
        raise AddressRefused("must begin with https:// and name a host")
    if parsed.userinfo or parsed.fragment:
        raise AddressRefused("must have no user, password or fragment")
    if len(str(parsed)) > MAX_URL_LENGTH:
        raise AddressRefused(f"must have at most {MAX_URL_LENGTH} characters")
    return parsed


def look_up(url: httpx.URL, to_loopback: bool) -> list[str]:
    """The addresses to connect to, those of IPv4 first. Raises AddressRefused if one is refused."""
    host = url.raw_host.decode("ascii").strip("[]")
    found = _lookups.submit(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    try:
        texts = {str(entry[4][0]) for entry in found.result(LOOKUP_SECONDS)}
    except (OSError, UnicodeError, NotInTime):
        raise AddressRefused("the host was not found") from None
    addresses = sorted((ip_address(text) for text in texts), key=lambda each: each.version)
    for address in addresses:
        if to_loopback and is_loopback(str(address)):
            continue
        if not is_public(address):
            raise AddressRefused("leads to an address that is not public")
        if url.scheme != "https":
            raise AddressRefused("must begin with https://, except to this machine")
    return [str(address) for address in addresses]


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the public internet is behind the address, and nothing of a private network."""
    if isinstance(address, IPv4Address):
        special = _SPECIAL_IPV4
    else:
        special = _SPECIAL_IPV6
        if address not in _PUBLIC_IPV6 or address.scope_id is not None:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not any(address in network for network in special)
    )
