"""The few AWS calls that the steps send to the emulator."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scripts.stack.report import StackError
from scripts.stack.settings import Stack


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def request(
    method: str,
    url: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    timeout_seconds: float = 40,
) -> Answer:
    """Send a request and return the answer, whatever its status. Raises ConnectionError."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    content_type = {} if data is None else {"Content-Type": "application/json"}
    prepared = urllib.request.Request(  # noqa: S310 (always http)
        url, data, content_type | (headers or {}), method=method
    )
    try:
        with urllib.request.urlopen(prepared, timeout=timeout_seconds) as response:  # noqa: S310
            return Answer(response.status, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read())
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, OSError) as error:
        raise ConnectionError(f"{method} {url}: {error}") from error


def call(stack: Stack, service: str, target: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call a service that speaks JSON (ECS, CloudWatch Logs, Secrets Manager).

    The emulator reads the service from the credentials and does not check them.
    """
    scope = f"test/20240101/{stack.region}/{service}/aws4_request"
    try:
        answer = request(
            "POST",
            f"{stack.url}/",
            json.dumps(body).encode(),
            {
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": target,
                "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, "
                "SignedHeaders=host, Signature=none",
            },
        )
    except ConnectionError as error:
        raise StackError(f"The emulator does not answer ({error}).", "make up") from error
    if answer.status != 200:
        raise StackError(
            f"{target} was refused ({answer.status}): {answer.body.decode()[:400]}", "make up"
        )
    result: dict[str, Any] = answer.json()
    return result


def ecs(stack: Stack, operation: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call ECS."""
    return call(stack, "ecs", f"AmazonEC2ContainerServiceV20141113.{operation}", body)


def log_lines(stack: Stack, group: str, limit: int = 10_000) -> list[tuple[str, str]]:
    """The lines of a log group in time order, each with its stream."""
    query = {"logGroupName": group, "limit": limit}
    page = call(stack, "logs", "Logs_20140328.FilterLogEvents", query)
    events = sorted(page.get("events", []), key=lambda event: event["timestamp"])
    return [(event["logStreamName"], event["message"].rstrip()) for event in events]


def wait_for(event: str, seconds: float, ready: Callable[[], bool], remedy: str) -> None:
    """Call `ready()` twice a second until it is true. Raises StackError after `seconds`."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise StackError(f"{event} did not happen within {seconds:.0f} s.", remedy)
        time.sleep(0.5)
