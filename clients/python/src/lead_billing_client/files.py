"""What imports and exports have in common, whether one waits or uses coroutines."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel

from .calls import Request, request
from .errors import ExportFailed
from .models import Export, ExportStatus

# How many rows are done, and how many there are, if that is known.
Progress = Callable[[int, int | None], None]
MappingGiven = str | BaseModel | Mapping[str, Any]
MEDIA_TYPES = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "html": "text/html",
    "pdf": "application/pdf",
}
FIRST_LOOK, LONGEST_BETWEEN_LOOKS = 0.2, 5.0  # seconds, at an export


def nothing(_done: int, _rows: int | None) -> None:
    """The progress that nobody asked for."""


def import_request(
    file: Path | str | bytes,
    *,
    preset: str | None,
    mapping: MappingGiven | None,
    file_name: str | None,
    dry_run: bool = False,
) -> Request:
    """A request that imports a file, with a key of its own."""
    if not isinstance(file, bytes):
        file_name = file_name or Path(file).name
        file = Path(file).read_bytes()
    query = {
        "preset": preset,
        "mapping": _mapping_text(mapping),
        "dry_run": dry_run or None,
        "file_name": file_name,
    }
    return request("POST", "/imports", query=query, content=file)


def is_ready(export: Export, progress: Progress) -> bool:
    """Whether the file is there. Raises ExportFailed if there never will be one."""
    progress(export.rows_done, export.rows_expected)
    if export.status in {ExportStatus.queued, ExportStatus.running}:
        return False
    if export.status != ExportStatus.ready:
        raise ExportFailed(f"the export {export.export_id} {export.status}: {export.error}")
    return True


def target_of(to: Path | str, export: Export) -> Path:
    """The file to write: `to`, or in the folder `to` the file by its own name."""
    path = Path(to)
    return path / Path(export.file_name or export.export_id).name if path.is_dir() else path


def part_of(path: Path) -> Path:
    """Where a file is written until it is whole."""
    return path.with_name(f"{path.name}.part-{os.getpid()}")


def elsewhere(answer: httpx.Response) -> httpx.Request:
    """A request to the address that an answer leads to, without our key: it may be a bucket."""
    address = answer.url.join(answer.headers["location"])
    return httpx.Request("GET", address, extensions=answer.request.extensions)


def _mapping_text(mapping: MappingGiven | None) -> str | None:
    if mapping is None or isinstance(mapping, str):
        return mapping
    if isinstance(mapping, BaseModel):
        return mapping.model_dump_json(exclude_unset=True)
    return json.dumps(dict(mapping))
