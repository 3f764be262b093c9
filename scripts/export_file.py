"""Export lines, reports or invoices to a file, over the API (`make export`).

Progress goes to standard error, the file's name to standard output.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from common.exports.kinds import ExportFormat, ExportKind
from scripts.api_client import add_api_argument, api_client, json_of
from scripts.cli import CommandError, handle_exit

_SECONDS_BETWEEN_LOOKS = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.export_file", description=__doc__)
    parser.add_argument("kind", type=ExportKind, choices=list(ExportKind))
    parser.add_argument("period", help="the month, for example 2024-04")
    parser.add_argument("--format", type=ExportFormat, choices=list(ExportFormat))
    parser.add_argument("--customers", help="ids, separated by commas; all, if not set")
    parser.add_argument("--delimiter", help="of CSV")
    parser.add_argument("--decimal", help="decimal mark of CSV")
    parser.add_argument("--out", type=Path, help="the file to write; its own name, if not set")
    add_api_argument(parser)
    args = parser.parse_args()
    members = {
        "kind": args.kind.value,
        "format": args.format and args.format.value,
        "period": args.period,
        "customer_ids": args.customers and args.customers.split(","),
        "delimiter": args.delimiter,
        "decimal": args.decimal,
    }
    body = {name: value for name, value in members.items() if value}
    with handle_exit(), api_client(args.api) as client:
        asked = client.post("/exports", json=body)
        json_of(asked)
        export = _wait_for(client, urljoin("/exports", asked.headers["location"]))
        print(_download(client, export, args.out))


def _wait_for(client: httpx.Client, address: str) -> httpx.Response:
    """The answer of an export that is ready. Raises CommandError for one that failed."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        task = progress.add_task("exporting", total=None)
        while True:
            answer = client.get(address)
            export: dict[str, Any] = answer.json() if answer.is_redirect else json_of(answer)
            expected = export["rows_expected"]
            progress.update(task, completed=export["rows_done"], total=expected)
            if answer.is_redirect:
                return answer
            if export["status"] not in {"queued", "running"}:
                raise CommandError(f"the export {export['status']}: {export['error']}.")
            time.sleep(_SECONDS_BETWEEN_LOOKS)


def _download(client: httpx.Client, ready: httpx.Response, out: Path | None) -> Path:
    address = ready.url.join(ready.headers["location"])
    path = out or Path(ready.json()["file_name"])
    # Another host is the bucket: the address is all that it needs, and the key is not for it.
    is_ours = address.host == client.base_url.host
    headers = client.headers if is_ours else httpx.Headers()
    with httpx.stream("GET", address, headers=headers, timeout=60) as file:
        if not file.is_success:
            raise CommandError(f"the file's address answered {file.status_code}.")
        with path.open("wb") as target:
            for piece in file.iter_bytes():
                target.write(piece)
    return path


if __name__ == "__main__":
    main()
