"""HTTP clients for tests."""

import ssl
from typing import Any

import httpx

# Of no certificates: to read the system's takes longer than most tests, and nothing here is TLS.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def client_of(address: str | httpx.URL, **options: Any) -> httpx.Client:
    """A client of a server on this machine."""
    return httpx.Client(
        base_url=address, timeout=30, trust_env=False, verify=_NO_CERTIFICATES, **options
    )
