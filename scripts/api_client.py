"""How the commands talk to the API, and what they say when it refuses or does not answer."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from scripts.cli import CommandError

DEFAULT_API = "http://127.0.0.1:8080"
_STACKS = Path(__file__).resolve().parent.parent / ".data" / "stack"


@contextmanager
def api_client(base_url: str, key: str | None = None) -> Iterator[httpx.Client]:
    """A client of the API, with `key`, else the key of API_KEY or of the stack that is up there.

    Raises CommandError when nothing answers there.
    """
    key = key or os.environ.get("API_KEY") or _key_of_stack(base_url)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # trust_env=False: a proxy of this machine cannot reach a server on its loopback address.
    with httpx.Client(base_url=base_url, headers=headers, timeout=60, trust_env=False) as client:
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


def _key_of_stack(base_url: str) -> str | None:
    for noted in _STACKS.glob("*/gateway-url"):
        key = noted.with_name("admin-key")
        if noted.read_text().strip() == base_url and key.exists():
            return key.read_text().strip()
    return None
