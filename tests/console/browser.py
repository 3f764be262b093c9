"""Where the browser and axe are, and how the browser is started."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright

from tests.console.filled import Page as Place

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"

# Nothing of the browser's own is to reach beyond this machine.
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Path of the system's Chromium (or of the CHROMIUM named), where there is one."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


def launched(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=chromium(), args=_FLAGS)


def come_to(shown: Page, address: str, page: Place) -> None:
    """Opens a page of the console, by the way there is to it."""
    shown.goto(address + page.path)
    if page.then is not None:
        shown.locator(page.then).first.click()
        shown.wait_for_load_state()
