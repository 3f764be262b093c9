"""A real browser on the whole API, which fails a test at the first thing that is not as it should.

Invariant: nothing is loaded from elsewhere, nothing is said on the console, and where the browser
or axe is missing the tests are skipped by name, in CI failed.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

from tests.console.browser import AXE, chromium, launched

_SERIOUS = {"serious", "critical"}


def _lacking(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@dataclass
class Console:
    """A browser window on a console of its own, and what went wrong in it so far."""

    page: Page
    address: str
    api: httpx.Client
    wrong: list[str] = field(default_factory=list)
    expected_statuses: set[int] = field(default_factory=set)

    def visit(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def violations(self) -> list[str]:
        """What axe finds of serious or critical violations, rule and first place."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = self.page.evaluate(
            "axe.run(document, {resultTypes: ['violations'], runOnly: "
            "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
        )
        return [
            f"{rule['id']}: {rule['nodes'][0]['html'][:200]} {rule['nodes'][0]['failureSummary']}"
            for rule in found["violations"]
            if rule["impact"] in _SERIOUS
        ]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        _lacking("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        yield launched(playwright)


@pytest.fixture(scope="session")
def axe() -> Path:
    if not AXE.exists():
        why = "npm installs it" if shutil.which("npm") else "npm is not installed"
        _lacking(f"axe-core is missing: {why} (make test-console)")
    return AXE


@pytest.fixture
def console(browser: Browser, gateway: httpx.Client, gateway_address: str) -> Iterator[Console]:
    """A window on a console that knows no one yet."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.set_default_timeout(10_000)
    window = Console(context.new_page(), gateway_address, gateway)
    _watch(context, window)
    yield window
    context.close()
    assert window.wrong == []


def _watch(context: BrowserContext, window: Console) -> None:
    own = urlsplit(window.address).netloc

    def note_request(request: Request) -> None:
        if urlsplit(request.url).netloc != own and not request.url.startswith(("data:", "about:")):
            window.wrong.append(f"loaded from elsewhere: {request.url}")

    def note_message(message: ConsoleMessage) -> None:
        refused = f"status of {', '.join(map(str, window.expected_statuses))}"
        if message.type in {"error", "warning"} and not (
            window.expected_statuses and refused in message.text
        ):
            window.wrong.append(f"console: {message.text}")

    context.on("dialog", lambda dialog: window.wrong.append(f"dialog: {dialog.message}"))
    context.on("request", note_request)
    context.on("console", note_message)
    context.on("weberror", lambda error: window.wrong.append(f"script: {error.error}"))
