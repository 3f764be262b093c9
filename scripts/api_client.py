"""The client with which commands call the API, and its error messages."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from scripts.cli import CommandError

DEFAULT_API = "http://127.0.0.1:8080"
_STACKS = Path(__file__).resolve().parent.parent / ".data" / "stack"


def add_api_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--api", default=DEFAULT_API, help="URL of the API (%(default)s)")


@contextmanager
def api_client(base_url: str, key: str | None = None) -> Iterator[httpx.Client]:
    """A client that sends `key`, else the key of API_KEY, else that of the stack at this URL.

    Raises CommandError when the API does not answer.
    """
    key = key or os.environ.get("API_KEY") or _key_of_stack(base_url)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # trust_env=False: a proxy cannot reach a server on this machine's loopback address.
    with httpx.Client(base_url=base_url, headers=headers, timeout=60, trust_env=False) as client:
        try:
            yield client
        except httpx.ConnectError as error:
            raise CommandError(
                f"no server answers at {base_url}: start one with `make demo` or `make run`."
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise CommandError(f"{base_url} did not answer: {reason}.") from error


def json_of(response: httpx.Response) -> Any:
    """The JSON of a successful answer. Raises CommandError with the detail of a problem."""
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
    for url_file in _STACKS.glob("*/gateway-url"):
        key_file = url_file.with_name("admin-key")
        if url_file.read_text().strip() == base_url and key_file.exists():
            return key_file.read_text().strip()
    return None
