"""The client of coroutines; `client.py`, whose methods wait, is made of it."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Literal, Self
from uuid import UUID

import httpx

from . import models, report_checks
from .calls import path_part, read, request, settings_of
from .files import (
    FIRST_LOOK,
    LONGEST_BETWEEN_LOOKS,
    MEDIA_TYPES,
    MappingGiven,
    Progress,
    elsewhere,
    import_request,
    is_ready,
    nothing,
    part_of,
    target_of,
)
from .operations import AsyncOperations
from .retries import Retries

LeadGiven = models.Lead | Mapping[str, Any]


class AsyncClient(AsyncOperations):
    """Calls the API at `base_url` with `api_key`. Close it, or use it in an `async with`.

    `timeout`: seconds of one request. `retries`: how often a request is sent again, and when.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float | None = None,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        settings = settings_of(base_url, api_key, timeout)
        super().__init__(httpx.AsyncClient(**settings, transport=transport), retries or Retries())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connections."""
        await self._http.aclose()

    async def post_leads(
        self, leads: LeadGiven | Sequence[LeadGiven], *, mapping: str | None = None
    ) -> models.IngestionSummary:
        """Sends a lead, or up to 1,000. The answer has a result for each.

        Of several, each stands alone: look at the results. One that is refused raises Invalid or
        Conflict. `mapping`: a stored mapping or a preset, if the leads are those of a lead form.
        """
        query = {"mapping": mapping}
        return await self._call(models.IngestionSummary, "POST", "/leads", query=query, body=leads)

    async def import_file(
        self,
        file: Path | str | bytes,
        *,
        preset: models.Preset | str | None = None,
        mapping: MappingGiven | None = None,
        file_name: str | None = None,
        refused_to: Path | str | None = None,
        progress: Progress = nothing,
    ) -> models.Import:
        """Imports the leads of a file of up to 6 MB: its path, or its bytes.

        The same file again changes nothing. Rows that are refused are saved at `refused_to`, each
        with the reason, if there are any: mend them and import that file. `mapping`: the name of a
        stored mapping, or a mapping (docs/imports.md).
        """
        while True:  # a large file takes more than one request: the same file again goes on
            asked = import_request(file, preset=preset, mapping=mapping, file_name=file_name)
            answer = await self._send(asked)
            done = read(models.Import, answer)
            progress(done.rows_done, done.rows)
            if done.status == models.ImportStatus.finished:
                break
            await asyncio.sleep(FIRST_LOOK)
        if refused_to is not None and done.refused:
            Path(refused_to).write_bytes(await self.get_refused_rows(done.import_id))
        return done

    async def try_file(
        self,
        file: Path | str | bytes,
        *,
        preset: models.Preset | str | None = None,
        mapping: MappingGiven | None = None,
        file_name: str | None = None,
    ) -> models.DryRun:
        """Says what `import_file` would do, and stores nothing."""
        asked = import_request(
            file, preset=preset, mapping=mapping, file_name=file_name, dry_run=True
        )
        return read(models.DryRun, await self._send(asked))

    async def export_file(
        self, body: models.ExportBody, to: Path | str, *, progress: Progress = nothing
    ) -> Path:
        """Orders an export, waits for it, and saves its file. Raises ExportFailed.

        `to`: a file, or a folder in which the file keeps its own name.
        """
        ordered = await self.order_export(body)
        await self.wait_for_export(ordered.export_id, progress=progress)
        return await self.download_export(ordered.export_id, to)

    async def wait_for_export(
        self, export_id: UUID | str, *, progress: Progress = nothing
    ) -> models.Export:
        """The export, once its file is there. Raises ExportFailed."""
        pause = FIRST_LOOK
        while not is_ready(export := await self.get_export(export_id), progress):
            await asyncio.sleep(pause)
            pause = min(LONGEST_BETWEEN_LOOKS, pause * 1.5)
        return export

    async def download_export(self, export_id: UUID | str, to: Path | str) -> Path:
        """Saves the file of an export that is ready, and returns its path."""
        path = target_of(to, await self.get_export(export_id))
        part = part_of(path)

        async def fetch() -> httpx.Response:
            asked = self._http.build_request("GET", f"/exports/{path_part(export_id)}/file")
            answer = await self._saved(asked, part)
            if answer.has_redirect_location:
                answer = await self._saved(elsewhere(answer), part)
            return answer

        try:
            await self._tried(fetch)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path

    async def report_file(
        self, customer_id: str, period: str, kind: Literal["csv", "ndjson", "html", "pdf"]
    ) -> bytes:
        """A report as a file. Of one too large to be answered, this waits for the export."""
        path = f"/billing/reports/{path_part(customer_id)}/{path_part(period)}"
        answer = await self._send(request("GET", path, headers={"Accept": MEDIA_TYPES[kind]}))
        if not answer.has_redirect_location:
            return answer.content
        export_id = read(models.ExportInstead, answer).export_id
        await self.wait_for_export(export_id)
        with TemporaryDirectory() as folder:
            file = await self.download_export(export_id, folder)
            return file.read_bytes()

    async def whole_report(self, customer_id: str, period: str) -> dict[str, Any]:
        """A report with all of its pages, as one JSON document to keep and to verify."""
        path = f"/billing/reports/{path_part(customer_id)}/{path_part(period)}"
        first = await self._send(request("GET", path))
        report: dict[str, Any] = first.json()
        while following := report_checks.next_page(report):
            kind, cursor = following
            page = await self._send(request("GET", f"{path}/{kind}", query={"cursor": cursor}))
            report_checks.add_page(report, page.json())
        return report

    async def _saved(self, asked: httpx.Request, path: Path) -> httpx.Response:
        answer = await self._http.send(asked, stream=True)
        try:
            if not answer.is_success:
                await answer.aread()
                return answer
            with path.open("wb") as file:
                async for piece in answer.aiter_bytes():
                    file.write(piece)
        finally:
            await answer.aclose()
        return answer
