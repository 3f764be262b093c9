"""Pictures of a PDF statement's pages, for `make screenshots`."""

import subprocess
from pathlib import Path

import httpx

from common.billing_period import Period
from services.reports.render.formatting import report_path
from tests.support.api import Wire


def take_statement_pictures(client: httpx.Client, folder: Path) -> None:
    """The summary and the first lines of the longest final statement, and a draft's summary.

    Needs pdftoppm (Debian: poppler-utils).
    """
    final, draft = (_longest(client, status) for status in ("final", "draft"))
    _take(_pdf(client, final), folder, "statement-summary", page=1)
    _take(_pdf(client, final), folder, "statement-lines", page=-1)
    _take(_pdf(client, draft), folder, "statement-draft", page=1)


def _longest(client: httpx.Client, status: str) -> Wire:
    query: dict[str, str | int] = {"status": status, "limit": 500}
    entries: list[Wire] = client.get("/billing/reports", params=query).json()["data"]
    return max(entries, key=lambda entry: int(entry["totals"]["actions"]))


def _pdf(client: httpx.Client, entry: Wire) -> bytes:
    path = report_path(entry["customer_id"], Period.parse(entry["period"]))
    return client.get(f"{path}.pdf").raise_for_status().content


def _take(pdf: bytes, folder: Path, name: str, *, page: int) -> None:
    if page < 0:
        info = subprocess.run(["pdfinfo", "-"], input=pdf, check=True, capture_output=True)
        words = info.stdout.decode().split()
        page += 1 + int(words[words.index("Pages:") + 1])
    subprocess.run(
        ["pdftoppm", "-png", "-r", "90", "-f", str(page), "-singlefile", "-", folder / name],
        input=pdf,
        check=True,
    )
