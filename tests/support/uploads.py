"""Uploads in tests: asked for over the API, sent, and imported by the worker's step."""

import threading
from typing import Any

import httpx

from common.settings import settings
from services.reports.importing import import_uploaded_files
from tests.support.imports import generic_csv, generic_row

CONTENT = generic_csv(generic_row("a"), generic_row("b", engagement_level="Huge"))


def ask(client: httpx.Client, content: bytes = CONTENT, **query: Any) -> Any:
    """The import that waits for a file of that size."""
    answer = client.post("/imports", params={"file_bytes": len(content)} | query)
    assert answer.status_code == 202, answer.text
    return answer.json()


def put(client: httpx.Client, awaiting: Any, content: Any = CONTENT, **options: Any) -> Any:
    upload = awaiting["upload"]
    address = client.base_url.join(upload["address"])
    return httpx.put(address, content=content, headers=upload["headers"], **options)


def uploaded(client: httpx.Client, content: bytes = CONTENT, **query: Any) -> str:
    """The id of an import whose file has arrived."""
    awaiting = ask(client, content, **query)
    put(client, awaiting, content).raise_for_status()
    return str(awaiting["import_id"])


def work(stopping: threading.Event | None = None) -> bool:
    """Runs the worker's step once."""
    return import_uploaded_files(settings(), stopping or threading.Event())


def work_all() -> None:
    while work():
        pass


def state_of(client: httpx.Client, import_id: str) -> Any:
    return client.get(f"/imports/{import_id}").raise_for_status().json()
