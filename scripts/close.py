"""Closes a month over the API and prints what became of each customer (`make close`)."""

import argparse
from typing import Any

import httpx
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.api_client import DEFAULT_API, api_client, json_of
from scripts.cli import CommandError, ending_as_a_command
from scripts.report import terminal
from services.reports.cli import account

_STYLES = {"closed": "green", "already_closed": "dim", "failed": "red"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.close", description=__doc__)
    parser.add_argument("period", help="the month, as 2024-04")
    parser.add_argument("--customers", help="ids with commas between them; all unless given")
    parser.add_argument("--api", default=DEFAULT_API, help="address of the API (%(default)s)")
    arguments = parser.parse_args()
    customers = arguments.customers.split(",") if arguments.customers else None
    with ending_as_a_command(), api_client(arguments.api) as client:
        run = close_month(client, arguments.period, customers)
        print_run(terminal(), run)
        if run["failed"]:
            raise CommandError(f"customers that could not be closed: {run['failed']}; see above.")


def close_month(client: httpx.Client, period: str, customers: list[str] | None) -> Any:
    """The run's summary. Raises CommandError when the month itself is refused."""
    body = {"actor": account()} | ({"customer_ids": customers} if customers else {})
    # As long as it takes: what was closed by then would be closed all the same.
    answer = client.post(f"/billing/periods/{period}/close", json=body, timeout=None)
    if answer.status_code == httpx.codes.CONFLICT and "results" in answer.json():
        return answer.json()  # not one could be closed, and it says why
    return json_of(answer)


def print_run(console: Console, run: dict[str, Any]) -> None:
    """Print what became of each customer, and the sums."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Customer", overflow="fold")
    table.add_column("Result", no_wrap=True)
    table.add_column("Due", justify="right", no_wrap=True)
    table.add_column("Why", overflow="fold")
    for result in run["results"]:
        status = result["status"]
        table.add_row(
            Text(result["customer_id"]),
            Text(status.replace("_", " "), _STYLES[status]),
            result["due"],
            Text(result["reason"] or ""),
        )
    if run["results"]:
        console.print(table)
    console.print(
        f"{run['period']}: {run['closed']} closed, {run['already_closed']} closed before, "
        f"{run['failed']} failed. Newly due: {run['due']}."
    )


if __name__ == "__main__":
    main()
