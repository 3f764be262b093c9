"""Exports in tests: asked for over the API, made by the worker's step, and read back."""

import csv
import io
import json
import threading
import zipfile
from decimal import Decimal
from typing import Any

import httpx
import openpyxl
from pyarrow import parquet

from common.settings import settings
from services.reports.exporting import make_exports


def ask_for(client: httpx.Client, kind: str, format: str | None, **members: Any) -> httpx.Response:
    body = {"kind": kind, "format": format, "period": "2024-04"} | members
    return client.post("/exports", json={key: each for key, each in body.items() if each})


def work() -> bool:
    """Runs the worker's step once."""
    return make_exports(settings(), threading.Event())


def exported(client: httpx.Client, kind: str, format: str | None, **members: Any) -> bytes:
    """The file that an export gives."""
    asked = ask_for(client, kind, format, **members)
    assert asked.status_code == 202, asked.text
    assert work()
    ready = client.get(asked.url.join(asked.headers["location"]))
    assert ready.status_code == 303, ready.text
    file = client.get(ready.url.join(ready.headers["location"]))
    assert file.status_code == 200, file.text
    return file.content


def csv_rows(content: bytes, delimiter: str = ",") -> list[dict[str, str]]:
    text = content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def ndjson_rows(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def parquet_rows(content: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parquet.read_table(io.BytesIO(content)).to_pylist()
    return rows


def xlsx_rows(content: bytes) -> list[dict[str, Any]]:
    sheet = openpyxl.load_workbook(io.BytesIO(content), read_only=True).active
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


def zip_files(content: bytes) -> dict[str, bytes]:
    package = zipfile.ZipFile(io.BytesIO(content))
    return {name: package.read(name) for name in package.namelist()}


def cents(value: Any) -> int:
    """An amount of any format, in cents."""
    return round(Decimal(str(value)) * 100)
