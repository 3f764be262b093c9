"""Print a customer's report of one month as tables in the terminal (`make report`)."""

import argparse
import sys
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from scripts.api_client import add_api_argument, api_client, json_of
from scripts.cli import handle_exit

_NO_LIMIT = 1_000
_WIDTH_WITHOUT_TERMINAL = 120
_STATUSES = {
    "draft": "A draft, not a bill: amounts may change until the month is closed.",
    "final": "Final: it never changes.",
}
_MAX_PAGE = 1_000
_OUTCOME_STYLES = {
    "billed": "green",
    "duplicate": "yellow",
    "partially_capped": "magenta",
    "capped": "magenta",
}


def terminal() -> Console:
    """A console that keeps tables wide when its output goes to a file or a pipe."""
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def plain_table(title: str | None = None) -> Table:
    """An empty table without a frame; its title and caption stand on the left."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.caption_justify = "left"
    return table


def fetch_report(
    client: httpx.Client, customer_id: str, period: str, max_lines: int = _MAX_PAGE
) -> Any:
    """The report as JSON, with at most so many lines; `period` is YYYY-MM.

    Raises CommandError if there is no report.
    """
    path = f"/billing/reports/{quote(customer_id, safe='')}/{period}"
    report = json_of(client.get(path, params={"limit": _page_size(max_lines)}))
    while report["next_cursor"] and len(report["lines"]) < max_lines:
        missing = _page_size(max_lines - len(report["lines"]))
        query = {"limit": missing, "cursor": report["next_cursor"]}
        page = json_of(client.get(f"{path}/lines", params=query))
        report["lines"] += page["data"]
        report["next_cursor"] = page["next_cursor"]
    return report


def _page_size(wanted: int) -> int:
    return max(1, min(wanted, _MAX_PAGE))


def print_report(console: Console, report: dict[str, Any], max_lines: int = 50) -> None:
    """Print totals, products, at most `max_lines` lines with explanations, credits and warnings."""
    report = _printable(report)
    month = datetime.strptime(report["period"], "%Y-%m").strftime("%B %Y")  # noqa: DTZ007 (a month)
    currency = report["totals"]["currency"]
    console.rule(Text(f"{report['customer_name']} ({report['customer_id']}), {month}", "bold"))
    console.print(f"Due [bold]{report['due']} {currency}[/]. {_STATUSES[report['status']]}")
    console.print(f"Month and times in {report['timezone']}, amounts in {currency}")
    for table in (_totals(report), _by_product(report), _lines(report, max_lines)):
        # Wider than the terminal rather than with an amount cut off.
        unlimited = console.options.update(max_width=_NO_LIMIT)
        least = Measurement.get(console, unlimited, table).minimum
        if least > console.width:
            table.width = least
        console.print(table, crop=False)
    for credit in (report.get("credits") or {"lines": []})["lines"][:max_lines]:
        console.print(Text(f"Credit of {credit['amount']}: {credit['explanation']}", "green"))
    for warning in report["warnings"]:
        console.print(Text(f"Warning: {_sentence(warning)}", "yellow"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.report", description=__doc__)
    parser.add_argument("customer", help="the customer's id, for example customer-123")
    parser.add_argument("period", help="the month, for example 2024-04")
    add_api_argument(parser)
    parser.add_argument("--lines", type=int, default=50, help="lines at most (%(default)s)")
    args = parser.parse_args()
    with handle_exit(), api_client(args.api) as client:
        report = fetch_report(client, args.customer, args.period, args.lines)
        print_report(terminal(), report, args.lines)


def _totals(report: dict[str, Any]) -> Table:
    table = _money_table("Totals")
    table.add_row("This period", *_figures(report["totals"]))
    prior = report.get("prior_period") or {}
    if prior.get("lines"):
        table.add_row("Prior periods", *_figures(prior["totals"]))
    credits = report.get("credits") or {}
    if credits.get("lines"):
        table.add_row("Credits", "", "", "", "", "", f"[bold]{credits['total']}[/]")
    return table


def _by_product(report: dict[str, Any]) -> Table:
    table = _money_table("By product")
    for entry in report["by_product"]:
        table.add_row(Text(f"{entry['name']} ({entry['product_id']})"), *_figures(entry["totals"]))
    return table


def _money_table(title: str) -> Table:
    table = plain_table(title)
    table.add_column(overflow="fold")
    for name in ("Leads", "Actions", "Gross", "Duplicate\nsavings", "Cap\nsavings", "Billed"):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _figures(totals: dict[str, Any]) -> tuple[str, ...]:
    savings = totals["savings"]
    return (
        str(totals["leads"]),
        str(totals["actions"]),
        totals["gross"],
        savings["duplicate"],
        savings["cap"],
        f"[bold]{totals['billed']}[/]",
    )


def _lines(report: dict[str, Any], max_lines: int) -> Table:
    lines = report["lines"][:max_lines]
    hidden = report["totals"]["actions"] - len(lines)
    timezone = ZoneInfo(report["timezone"])
    table = plain_table("Lines")
    if hidden > 0:
        table.caption = f"{hidden} more lines: see {_path(report)}.csv"
    table.add_column("Time", no_wrap=True)
    table.add_column("Action", ratio=2, overflow="fold")
    table.add_column("Gross", justify="right", no_wrap=True)
    table.add_column("Billed", justify="right", no_wrap=True)
    table.add_column("Why", ratio=3, overflow="fold")
    for line in lines:
        table.add_row(
            datetime.fromisoformat(line["timestamp"]).astimezone(timezone).strftime("%d %b %H:%M"),
            Text.assemble(
                f"{line['action_type']} ({line['engagement_level']})",
                (f"\n{line['lead_id']}, {line['product_id']}", "dim"),
            ),
            line["gross"],
            line["billed"],
            Text(line["explanation"], _OUTCOME_STYLES[line["outcome"]]),
        )
    return table


def _printable(value: Any) -> Any:
    """The same value without control characters, which a terminal would obey."""
    if isinstance(value, dict):
        return {name: _printable(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_printable(member) for member in value]
    if isinstance(value, str):
        return "".join(char if char.isprintable() else "\ufffd" for char in value)
    return value


def _path(report: dict[str, Any]) -> str:
    return f"/billing/reports/{report['customer_id']}/{report['period']}"


def _sentence(warning: Any) -> str:
    return warning if isinstance(warning, str) else str(warning["detail"])


if __name__ == "__main__":
    main()
