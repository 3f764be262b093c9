"""Prints one customer's report of one period as tables in the terminal (`make report`)."""

import argparse
from datetime import datetime
from typing import Any

import httpx
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from scripts.api_client import DEFAULT_API, api_client, json_of
from scripts.command import ending_as_a_command

_WIDTH_WITHOUT_TERMINAL = 140
_OUTCOME_STYLES = {
    "billed": "green",
    "duplicate": "yellow",
    "partially_capped": "magenta",
    "capped": "magenta",
}


def terminal() -> Console:
    """A console that does not squeeze tables when its output goes into a file or a pipe."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def fetch_report(client: httpx.Client, customer_id: str, period: str) -> Any:
    """The report's document; `period` is YYYY-MM. Raises CommandError when there is none."""
    return json_of(client.get(f"/billing/reports/{customer_id}/{period}"))


def print_report(console: Console, report: dict[str, Any], lines: int = 50) -> None:
    """Print totals, products, at most `lines` lines with their explanations, and warnings."""
    parts: list[RenderableType] = [_totals(report), _by_product(report), _lines(report, lines)]
    parts += [Text(f"Warning: {_sentence(warning)}", "yellow") for warning in report["warnings"]]
    currency = report["totals"]["currency"]
    month = datetime.strptime(report["period"], "%Y-%m").strftime("%B %Y")  # noqa: DTZ007 (a month)
    title = f"[bold]{report['customer_name']}[/] · {report['customer_id']} · {month}"
    subtitle = f"{report['status']} · {report['timezone']} · due {report['due']} {currency}"
    console.print(Panel(Group(*parts), title=title, subtitle=subtitle))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.report", description=__doc__)
    parser.add_argument("customer", help="the customer's id, as customer-123")
    parser.add_argument("period", help="the month, as 2024-04")
    parser.add_argument("--api", default=DEFAULT_API, help="address of the API (%(default)s)")
    parser.add_argument("--lines", type=int, default=50, help="how many lines (%(default)s)")
    arguments = parser.parse_args()
    with ending_as_a_command(), api_client(arguments.api) as client:
        report = fetch_report(client, arguments.customer, arguments.period)
        print_report(terminal(), report, arguments.lines)


def _totals(report: dict[str, Any]) -> Table:
    table = _money_table(report, "Totals")
    table.add_row("This period", *_figures(report["totals"]))
    prior = report.get("prior_period") or {}
    if prior.get("lines"):
        table.add_row("Prior periods", *_figures(prior["totals"]))
    return table


def _by_product(report: dict[str, Any]) -> Table:
    table = _money_table(report, "By product")
    for entry in report["by_product"]:
        table.add_row(f"{entry['name']} ({entry['product_id']})", *_figures(entry["totals"]))
    return table


def _money_table(report: dict[str, Any], title: str) -> Table:
    table = Table(title=f"{title} ({report['totals']['currency']})", title_justify="left")
    table.add_column("", min_width=20)
    for name in ("Gross", "Billed", "Saved: duplicates", "Saved: cap", "Leads", "Actions"):
        table.add_column(name, justify="right")
    return table


def _figures(totals: dict[str, Any]) -> tuple[str, ...]:
    savings = totals["savings"]
    return (
        totals["gross"],
        f"[bold]{totals['billed']}[/]",
        savings["duplicate"],
        savings["cap"],
        str(totals["leads"]),
        str(totals["actions"]),
    )


def _lines(report: dict[str, Any], most: int) -> Table:
    shown = report["lines"][:most]
    left = report["totals"]["actions"] - len(shown)
    table = Table(
        title="Lines",
        title_justify="left",
        caption=f"{left} more: {_path(report)}.csv has them all" if left > 0 else None,
        caption_justify="left",
    )
    for name in ("Time", "Lead", "Product", "Action", "Level"):
        table.add_column(name)
    table.add_column("Gross", justify="right")
    table.add_column("Billed", justify="right")
    table.add_column("Outcome")
    table.add_column("Why", ratio=1)
    for line in shown:
        table.add_row(
            datetime.fromisoformat(line["timestamp"]).strftime("%d %b %H:%M"),
            Text(line["lead_id"]),
            Text(line["product_id"]),
            Text(line["action_type"]),
            line["engagement_level"],
            line["gross"],
            line["billed"],
            Text(line["outcome"].replace("_", " "), _OUTCOME_STYLES[line["outcome"]]),
            Text(line["explanation"]),
        )
    return table


def _path(report: dict[str, Any]) -> str:
    return f"/billing/reports/{report['customer_id']}/{report['period']}"


def _sentence(warning: Any) -> str:
    return warning if isinstance(warning, str) else str(warning["detail"])


if __name__ == "__main__":
    main()
