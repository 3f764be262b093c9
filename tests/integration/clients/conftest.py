"""Both Python clients, at an API with a customer, a product and a place for files."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.settings import settings
from lead_billing_client import AsyncClient, Client
from tests.support.python_client import Waiting


@pytest.fixture(autouse=True)
def file_folder(configured_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FILE_STORE_DIR", str(tmp_path / "files"))
    settings.cache_clear()
    return tmp_path / "files"


@pytest.fixture(params=["waits", "coroutines"])
def client(request: pytest.FixtureRequest, acme: httpx.Client) -> Iterator[Any]:
    if request.param == "waits":
        with Client(str(acme.base_url)) as client:
            yield client
        return
    with asyncio.Runner() as runner:
        waiting = Waiting(runner, AsyncClient(str(acme.base_url)))
        yield waiting
        waiting.close()
