"""How the commands talk to the API, and what they say when it refuses or does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from scripts.command import CommandError

DEFAULT_API = "http://127.0.0.1:8080"


@contextmanager
def api_client(base_url: str) -> Iterator[httpx.Client]:
    """A client of the API. Raises CommandError when nothing answers there."""
    # trust_env=False: a proxy of this machine cannot reach a server on its loopback address.
    with httpx.Client(base_url=base_url, timeout=60, trust_env=False) as client:
        try:
            yield client
        except httpx.ConnectError as error:
            raise CommandError(
                f"nothing answers at {base_url}: start it with `make demo` or `make run`."
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise CommandError(f"{base_url} did not answer: {reason}.") from error


def json_of(response: httpx.Response) -> Any:
    """The answer's document. Raises CommandError with the problem's own words when it is one."""
    if response.is_success:
        return response.json()
    answer = (
        f"{response.request.method} {response.request.url.path} answered {response.status_code}"
    )
    if "json" not in response.headers.get("content-type", ""):
        raise CommandError(f"{answer}.")
    problem = response.json()
    fields = (f"\n  {error['pointer']}: {error['detail']}" for error in problem.get("errors", []))
    raise CommandError(f"{answer}: {problem['detail']}{''.join(fields)}")
