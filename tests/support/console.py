"""The console's pages without a browser: asked for as one asks, and read as text."""

import re

import httpx

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def text_of(answer: httpx.Response) -> str:
    """What a page shows, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())
