"""Pictures of every page in both themes, and of some on a phone (`make screenshots`)."""

import argparse
import tempfile
from io import BytesIO
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from scripts.local_server import address_of, listen_on, local_api
from tests.console.browser import come_to, launched
from tests.console.filled import PAGES, Page, fill
from tests.console.statement_pictures import take_statement_pictures

_FOLDER = Path("docs/screenshots")
_ON_A_PHONE = ("overview", "lead")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.console.screenshots")
    parser.add_argument("--out", type=Path, default=_FOLDER, help="(%(default)s)")
    parser.add_argument("--only", help="the name of one page")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        listen_on("127.0.0.1", 0) as listener,
        local_api(listener, Path(folder), lambda _: None, is_open=True),
        sync_playwright() as playwright,
    ):
        address = address_of(listener)
        with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
            fill(client, leads=2_000)
            if arguments.only in {None, "statement"}:
                take_statement_pictures(client, arguments.out)
        browser = launched(playwright)
        for theme in ("light", "dark"):
            for page in PAGES:
                if arguments.only in {None, page.name}:
                    _take(browser, address, arguments.out, page, theme)
        for page in PAGES:
            if page.name in _ON_A_PHONE and arguments.only in {None, page.name}:
                _take(browser, address, arguments.out, page, "phone")
        browser.close()


def _take(browser: Browser, address: str, folder: Path, page: Page, look: str) -> None:
    is_phone = look == "phone"
    context = browser.new_context(
        viewport={"width": 375, "height": 760} if is_phone else {"width": 1200, "height": 800},
        color_scheme="dark" if look == "dark" else "light",
    )
    shown = context.new_page()
    come_to(shown, address, page)
    picture = Image.open(BytesIO(shown.screenshot()))
    # 128 colours are enough for flat pages, and a third of the bytes.
    picture.convert("RGB").quantize(128).save(folder / f"{page.name}-{look}.png", optimize=True)
    context.close()


if __name__ == "__main__":
    main()
