"""Close a month over the API and print the result of each customer (`make close`)."""

import argparse
from typing import Any

import httpx
from rich.console import Console
from rich.text import Text

from scripts.api_client import add_api_argument, api_client, json_of
from scripts.cli import CommandError, handle_exit
from scripts.report import plain_table, terminal
from services.reports.cli import account

_STYLES = {"closed": "green", "already_closed": "dim", "failed": "red"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.close", description=__doc__)
    parser.add_argument("period", help="the month, for example 2024-04")
    parser.add_argument("--customers", help="customer ids, separated by commas (default: all)")
    add_api_argument(parser)
    args = parser.parse_args()
    customers = args.customers.split(",") if args.customers else None
    with handle_exit(), api_client(args.api) as client:
        run = close_month(client, args.period, customers)
        print_run(terminal(), run)
        require_all_closed(run["failed"])


def close_month(client: httpx.Client, period: str, customers: list[str] | None) -> Any:
    """The run's summary. Raises CommandError when the API refuses the month itself."""
    body = {"actor": account()} | ({"customer_ids": customers} if customers else {})
    # No timeout: the server would finish the close even if this command stopped waiting.
    answer = client.post(f"/billing/periods/{period}/close", json=body, timeout=None)
    if answer.status_code == httpx.codes.CONFLICT and "results" in answer.json():
        return answer.json()  # no customer could be closed; each result says why
    return json_of(answer)


def require_all_closed(failed: int) -> None:
    """Raises CommandError when `failed` customers could not be closed."""
    if failed:
        raise CommandError(f"{failed} customers could not be closed; the table says why.")


def print_run(console: Console, run: dict[str, Any]) -> None:
    """Print the result of each customer, then the totals."""
    table = plain_table()
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
        f"{run['period']}: {run['closed']} closed, {run['already_closed']} already closed, "
        f"{run['failed']} failed. Newly due: {run['due']}."
    )


if __name__ == "__main__":
    main()
