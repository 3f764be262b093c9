"""The commands of the pages about imports and exports, as they are shown there."""

import os
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from common.settings import settings
from tests.support.api import PROJECT, action, lead, post
from tests.support.closing import closed
from tests.support.exports import work
from tests.support.imports import generic_csv, generic_row


def shown(page: str) -> list[list[str]]:
    """The `make` commands of a page's first block of commands."""
    text = (PROJECT / "docs" / page).read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[:1]
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def run(command: list[str], folder: Path, client: httpx.Client) -> str:
    """What a command prints whose files are in `folder`."""
    command = [re.sub(r"^(FILE|MAP|OUT)=", rf"\1={folder}/", word) for word in command]
    done = subprocess.run(
        [*command, f"API={client.base_url}"],
        cwd=PROJECT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def worker(acme: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes exports beside the test."""
    monkeypatch.setenv("FILE_STORE_DIR", str(tmp_path / "store"))
    settings.cache_clear()
    done = threading.Event()

    def make() -> None:
        while not done.wait(0.05):
            work()

    thread = threading.Thread(target=make)
    thread.start()
    yield
    done.set()
    thread.join()


def test_file_is_tried_and_then_imported(acme: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_bytes(generic_csv(generic_row("one")))
    (tmp_path / "mapping.json").write_text('{"time_zone": "UTC"}')
    try_it, do_it = shown("imports.md")

    assert "1 rows: 1 created. 1 actions would be added." in run(try_it, tmp_path, acme)
    assert "1 rows: 1 created. 1 actions were added." in run(do_it, tmp_path, acme)


@pytest.mark.usefixtures("worker")
def test_month_is_exported(acme: httpx.Client, tmp_path: Path) -> None:
    acme.put("/customers/beta", json={"name": "Beta", "email": "b@beta.test"}).raise_for_status()
    post(acme, lead("one", action())).raise_for_status()
    closed(acme, "2024-04")
    lines, invoices = shown("exports.md")

    run([*lines, "OUT=lines.csv"], tmp_path, acme)
    run(invoices, tmp_path, acme)

    assert "Form Submission" in (tmp_path / "lines.csv").read_text(encoding="utf-8-sig")
    assert "2024-04-acme-1" in (tmp_path / "april.csv").read_text(encoding="utf-8-sig")
