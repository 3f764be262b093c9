"""Import a file of leads (`make import`): over the API, or into a database.

Invariant: a batch is stored before its rows count as done, and rows that are stored change nothing
when they are sent again. So an import that stopped is taken up by the same command.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic_core import to_json
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from common.database.transactions import snapshot
from common.imports.files import Row
from common.imports.importing import (
    Batch,
    Refusal,
    batches_of,
    import_batch,
    storing,
    trying,
)
from common.imports.mapped_rows import Wire
from common.imports.opened_file import OpenedFile, open_file
from common.imports.presets import ChosenMapping, Preset, choose_mapping
from common.imports.refused_rows import BYTE_ORDER_MARK
from common.imports.stored_mappings import NAME, get_mapping
from common.leads.results import Result, Status
from common.problems import FieldError, Problem
from common.settings import settings
from scripts.api_client import add_api_argument, api_client, json_of
from scripts.cli import CommandError, handle_exit
from scripts.database import add_data_dir_argument, shared_database
from scripts.local_server import load_or_create_key
from scripts.migrate import upgrade_configured_database
from scripts.report import terminal

JSON = {"content-type": "application/json"}
_MAX_SECONDS = 30.0  # of one batch, with retries
_MAX_WAITS = 10
Import = Callable[[list[Row]], Batch]


@dataclass
class Progressed:
    """How far an import is, and what became of its rows."""

    last_row: int
    statuses: Counter[Status] = field(default_factory=Counter)
    actions_added: int = 0
    refused: int = 0

    def add(self, batch: Batch) -> None:
        self.last_row = batch.last_row
        self.statuses += batch.statuses
        self.actions_added += batch.actions_added
        self.refused += len(batch.refusals)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.import_leads", description=__doc__)
    parser.add_argument("file", type=Path, help="CSV, JSON, or a JSON object a line")
    parser.add_argument(
        "--map",
        help="a JSON file with the mapping, the name of a stored one, or a preset: "
        f"{', '.join(Preset)} (generic)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would happen only")
    parser.add_argument("--from-row", type=int, default=1, help="the first row to import")
    add_api_argument(parser)
    parser.set_defaults(api=None)
    add_data_dir_argument(parser, default="")
    args = parser.parse_args()
    with handle_exit():
        try:
            _run(args)
        except (Problem, OSError) as problem:
            raise CommandError(_words(problem)) from problem


def _run(args: argparse.Namespace) -> None:
    with args.file.open("rb") as stream, _way_in(args) as way:
        opened = open_file(stream, _chosen(args.map, way.stored_mapping))
        refused_path = args.file.with_name(f"{args.file.stem}.refused.csv")
        progress = Progressed(args.from_row - 1)
        try:
            one = way.importing(opened, args.dry_run)
            _import(opened, one, args.from_row, progress, refused_path)
        except BaseException:
            terminal().print(
                f"Stopped behind row {progress.last_row} of {opened.held.rows}. Start the same "
                "command again: rows that are stored change nothing, and "
                f"FROM_ROW={progress.last_row + 1} leaves them out."
            )
            raise
    _summarize(progress, opened.held.rows, args.dry_run, refused_path)


def _chosen(named: str | None, stored: Callable[[str], ChosenMapping]) -> ChosenMapping:
    """The mapping of a preset, of a file, or of the name that it is stored under."""
    if named is None or named in set(Preset):
        return choose_mapping(None, named)
    path = Path(named)
    if path.exists() or not NAME.fullmatch(named) or path.suffix == ".json":
        return choose_mapping(path.read_text(encoding="utf-8"))
    return stored(named)


def _import(
    opened: OpenedFile, one: Import, from_row: int, progressed: Progressed, path: Path
) -> None:
    columns = (
        TextColumn("Importing rows"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    refused = opened.refused_rows
    with Progress(*columns, console=terminal()) as bar:
        task = bar.add_task("rows", total=opened.held.rows, completed=progressed.last_row)
        for rows in batches_of(opened.rows(from_row)):
            batch = one(rows)
            if batch.refusals:
                is_new = progressed.refused == 0 and not (from_row > 1 and path.exists())
                with path.open("w" if is_new else "a", encoding="utf-8", newline="") as file:
                    file.write(BYTE_ORDER_MARK + refused.header() if is_new else "")
                    file.write(refused.text(batch.refusals))
            progressed.add(batch)
            bar.update(task, completed=batch.last_row)


def _summarize(progressed: Progressed, rows: int, is_dry_run: bool, path: Path) -> None:
    counts = ", ".join(
        f"{progressed.statuses[status]} {status.value}"
        for status in Status
        if progressed.statuses[status]
    )
    verb = "would be" if is_dry_run else "were"
    console = terminal()
    console.print(f"{rows} rows: {counts}. {progressed.actions_added} actions {verb} added.")
    if progressed.refused:
        console.print(
            f"{progressed.refused} refused rows are in {path}, with the reason behind each: "
            "mend them there and import that file."
        )


@contextmanager
def _way_in(args: argparse.Namespace) -> Iterator["_Way"]:
    """How batches are imported: over the API, or with a database."""
    if args.api or not (os.environ.get("DATABASE_URL") or args.data_dir != Path()):
        with api_client(args.api or "http://127.0.0.1:8080") as client:
            yield _Way(
                lambda opened, dry: _trying_over(client, opened) if dry else _over(client, opened),
                lambda name: choose_mapping(json_of(client.get(f"/mappings/{name}"))["mapping"]),
            )
        return
    data_dir = args.data_dir
    if not os.environ.get("USER_HASH_KEY") and not os.environ.get("DATABASE_URL"):
        os.environ["USER_HASH_KEY"] = load_or_create_key(data_dir / "user_hash_key")
    with shared_database(data_dir, terminal().print):
        upgrade_configured_database()
        yield _Way(_with_database, _stored_in_database)


@dataclass(frozen=True, slots=True)
class _Way:
    """A way in: how batches are imported, and how a stored mapping is found."""

    importing: Callable[[OpenedFile, bool], Import]
    stored_mapping: Callable[[str], ChosenMapping]


def _stored_in_database(name: str) -> ChosenMapping:
    with snapshot() as session:
        return choose_mapping(get_mapping(session, None, name).mapping)


def _with_database(opened: OpenedFile, is_dry_run: bool) -> Import:
    now, known = datetime.now(UTC), settings()
    send = trying(known, now, None) if is_dry_run else storing(known, now, None, _MAX_SECONDS)
    return lambda rows: import_batch(rows, opened.mapper, send)


def _over(client: httpx.Client, opened: OpenedFile) -> Import:
    def send(items: Sequence[Wire]) -> list[Result]:
        answer = json_of(
            _patiently(lambda: client.post("/leads", content=to_json(items), headers=JSON))
        )
        return [
            Result(
                result["index"],
                result["lead_id"],
                Status(result["status"]),
                result["actions_added"],
                errors=_errors(result["errors"], f"/{result['index']}"),
            )
            for result in answer["results"]
        ]

    return lambda rows: import_batch(rows, opened.mapper, send)


def _trying_over(client: httpx.Client, opened: OpenedFile) -> Import:
    """Has POST /imports say what would become of some rows."""
    mapping = to_json(opened.chosen.document()).decode()
    query = {"dry_run": "true", "mapping": mapping}

    def one(rows: list[Row]) -> Batch:
        body = opened.refused_rows.piece(rows).encode(opened.form.encoding)
        answer = json_of(_patiently(lambda: client.post("/imports", params=query, content=body)))
        return Batch(
            rows[-1].number,
            Counter({Status(name): count for name, count in answer["counts"].items() if count}),
            answer["actions_added"],
            [
                Refusal(rows[each["row"] - 1], Status(each["status"]), _errors(each["errors"]))
                for each in answer["refused"]
            ],
        )

    return one


def _errors(documents: list[dict[str, Any]], prefix: str = "") -> list[FieldError]:
    return [
        FieldError(each["pointer"].removeprefix(prefix), each["code"], each["detail"])
        for each in documents
    ]


def _patiently(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer, asked for again while the server says that it will do better later."""
    for _ in range(_MAX_WAITS):
        answer = ask()
        if answer.status_code not in {429, 503}:
            return answer
        time.sleep(float(answer.headers.get("retry-after", 1)))
    return answer


def _words(problem: Problem | OSError) -> str:
    if isinstance(problem, OSError):
        return f"{problem.filename}: {problem.strerror}."
    fields = (f"\n  {error.pointer}: {error.detail}" for error in problem.errors)
    return f"{problem.detail}{''.join(fields)}"


if __name__ == "__main__":
    main()
