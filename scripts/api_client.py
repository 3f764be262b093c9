"""How the commands talk to the API, and what they say when it refuses or does not answer."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

DEFAULT_API = "http://127.0.0.1:8080"


@contextmanager
def api_client(base_url: str) -> Iterator[httpx.Client]:
    """A client of the API; ends the process with one sentence when nothing answers there."""
    # trust_env=False: a proxy of this machine cannot reach a server on its loopback address.
    with httpx.Client(base_url=base_url, timeout=60, trust_env=False) as client:
        try:
            yield client
        except httpx.ConnectError:
            sys.exit(
                f"error: nothing answers at {base_url}: start it with `make demo` or `make run`."
            )
        except httpx.HTTPError as error:
            sys.exit(f"error: {base_url} did not answer: {error or type(error).__name__}.")


def json_of(response: httpx.Response) -> Any:
    """The answer's document; ends the process with the problem's own words when it is one."""
    if response.is_success:
        return response.json()
    request = f"{response.request.method} {response.request.url.path}"
    if "json" not in response.headers.get("content-type", ""):
        sys.exit(f"error: {request} answered {response.status_code}.")
    problem = response.json()
    words = problem.get("detail") or problem.get("title", "")
    fields = "".join(
        f"\n  {error['pointer']}: {error['detail']}" for error in problem.get("errors", [])
    )
    sys.exit(f"error: {request} answered {response.status_code}: {words}{fields}")
