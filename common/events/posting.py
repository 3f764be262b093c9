"""Posting a signed message to a webhook's address, from here. The sender function does the same.

Invariant: every phase has its limit and so has the whole; redirects are not followed, the
environment's proxies are not used, and of an answer no more than its head counts.
"""

import asyncio
import ssl
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

import httpx

from common.events.addresses import AddressRefused, look_up, parse
from common.events.signing import Message

# Looking up takes 5 more at most. A lease (outbox.py) is longer than all together.
TOTAL_SECONDS = 20.0
_TIMEOUT = httpx.Timeout(connect=5.0, write=5.0, read=10.0, pool=1.0)
_MAX_ADDRESSES = 3
_MAX_ANSWER_BYTES = 64 * 1024
_REST_SECONDS = 2.0


class Outcome(NamedTuple):
    """What came of an attempt: the status of the answer, or why there was none."""

    status: int | None = None
    error: str | None = None

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(message: Message, to_loopback: bool = False) -> Outcome:
    """Posts the message. `to_loopback` as in `addresses.require_address`."""
    try:
        url = parse(message.url, to_loopback)
        addresses = look_up(url, to_loopback)
    except AddressRefused as refusal:
        return Outcome(error=str(refusal))
    return asyncio.run(_post_in_time(message, url, addresses))


async def _post_in_time(message: Message, url: httpx.URL, addresses: list[str]) -> Outcome:
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            return await _post_to_first(message, url, addresses[:_MAX_ADDRESSES])
    except (TimeoutError, httpx.TimeoutException):
        return Outcome(error="no answer in time")
    except httpx.ConnectError as error:
        is_refused = "CERTIFICATE_VERIFY_FAILED" in str(error)
        return Outcome(error="its certificate is not valid" if is_refused else "no connection")
    except httpx.HTTPError:
        return Outcome(error="no valid answer")


async def _post_to_first(message: Message, url: httpx.URL, addresses: list[str]) -> Outcome:
    """Posts to the first address that takes a connection."""
    async with httpx.AsyncClient(
        verify=_tls(), timeout=_TIMEOUT, follow_redirects=False, trust_env=False
    ) as client:
        for address in addresses[:-1]:
            try:
                return await _post_to(client, message, url, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await _post_to(client, message, url, addresses[-1])


async def _post_to(
    client: httpx.AsyncClient, message: Message, url: httpx.URL, address: str
) -> Outcome:
    own = {"host": url.netloc.decode("ascii"), "accept-encoding": "identity"}
    request = client.stream(
        "POST",
        url.copy_with(host=address),
        headers={**message.headers, **own},
        content=message.body.encode(),
        # The certificate must be the name's, though the connection goes to the address.
        extensions={"sni_hostname": url.raw_host.decode("ascii").strip("[]")},
    )
    async with request as answer:
        # The status is what counts. The rest is read so that the receiver can end its answer.
        with suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(_REST_SECONDS):
                await _read_rest(answer)
        return Outcome(answer.status_code)


async def _read_rest(answer: httpx.Response) -> None:
    size = 0
    async for piece in answer.aiter_raw():
        size += len(piece)
        if size > _MAX_ANSWER_BYTES:
            break


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
