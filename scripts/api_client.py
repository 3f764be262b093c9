"""The client with which commands call the API, and its error messages."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from common.this_machine import names_this_machine
from scripts.cli import CommandError

DEFAULT_API = "http://127.0.0.1:8080"
_DATA = Path(__file__).resolve().parent.parent / ".data"
# In its data directory, a local server keeps its first key, and its address while it runs.
ADMIN_KEY = "admin_key"
SERVER_URL = "server_url"


def add_api_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--api", default=DEFAULT_API, help="URL of the API (%(default)s)")


@contextmanager
def api_client(base_url: str, key: str | None = None) -> Iterator[httpx.Client]:
    """A client that sends `key`, else the key of API_KEY, else that of the server at this URL.

    A key that was found for one server is sent to no other one.

    Raises CommandError when the API does not answer.
    """
    key = key or os.environ.get("API_KEY") or _key_of_stack(base_url) or _key_of_server(base_url)
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
    if response.status_code == httpx.codes.UNAUTHORIZED:
        hint = "Set API_KEY, or DATA_DIR to the data directory of `make run`."
        raise CommandError(f"{answer}: {problem['detail']}. {hint}")
    fields = (f"\n  {error['pointer']}: {error['detail']}" for error in problem.get("errors", []))
    raise CommandError(f"{answer}: {problem['detail']}{''.join(fields)}")


def _key_of_stack(base_url: str) -> str | None:
    for url_file in _DATA.glob("stack/*/gateway-url"):
        key_file = url_file.with_name("admin-key")
        if url_file.read_text().strip() == base_url and key_file.exists():
            return key_file.read_text().strip()
    return None


def _key_of_server(base_url: str) -> str | None:
    """The admin key of the local server that was started last and says it is at this URL."""
    folders = {*_DATA.glob("*/"), *map(Path, filter(None, [os.environ.get("DATA_DIR")]))}
    files = [file for folder in folders if (file := folder / SERVER_URL).is_file()]
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        if _is_same_server(file.read_text(encoding="ascii"), base_url):
            key_file = file.with_name(ADMIN_KEY)
            return key_file.read_text(encoding="ascii") if key_file.is_file() else None
    return None


def _is_same_server(one: str, other: str) -> bool:
    hosts = {urlsplit(one).netloc, urlsplit(other).netloc}
    ports = {host.rpartition(":")[2] for host in hosts}
    return len(hosts) == 1 or (len(ports) == 1 and all(map(names_this_machine, hosts)))
