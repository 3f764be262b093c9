"""The product in one command (`make demo`): the API, the brief's leads and their two reports."""

import argparse
import json
import socket
from pathlib import Path

import httpx
from rich.console import Console

from common.settings import settings
from scripts.api_client import api_client, json_of
from scripts.cli import CommandError, ending_as_a_command
from scripts.database import Say
from scripts.local_server import (
    DEFAULT_PORT,
    PortTakenError,
    address_of,
    listen_on,
    local_api,
)
from scripts.report import fetch_report, print_report, terminal
from scripts.seed import STATUSES

SAMPLE = Path(__file__).resolve().parent.parent / "docs" / "samples" / "sample_leads.json"
_PORTS_TRIED = 20
SAMPLE_CUSTOMERS = {
    "customer-123": {"name": "Acme Corporation", "email": "billing@acme.example"},
    "customer-456": {"name": "Globex Industries", "email": "billing@globex.example"},
}
PRODUCTS = {
    "product-abc": {"name": "Product ABC", "description": "Accounting for small companies"},
    "product-def": {"name": "Product DEF", "description": "A help desk"},
    "product-xyz": {"name": "Product XYZ", "description": "Payroll"},
}
SAMPLE_REPORTS = (
    ("customer-123", "2024-04"),
    ("customer-456", "2024-04"),
    ("customer-123", "2024-05"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description=__doc__)
    parser.add_argument(
        "--host", default="127.0.0.1", help="(%(default)s; other addresses need an API key)"
    )
    parser.add_argument("--port", type=int, help=f"({DEFAULT_PORT}, or the next free one)")
    parser.add_argument("--data-dir", type=Path, default=Path(".data/demo"), help="(%(default)s)")
    parser.add_argument("--once", action="store_true", help="stop after printing the reports")
    arguments = parser.parse_args()
    console = terminal()
    admin_key = arguments.data_dir / "admin_key"

    def say(step: str) -> None:
        console.print(f"[bold blue]>[/] {step}")

    with (
        ending_as_a_command(),
        listener_for(arguments.host, arguments.port, say) as listener,
        local_api(listener, arguments.data_dir, say, admin_key) as server,
    ):
        # A server on every address also listens on loopback.
        address = address_of(listener).replace("//0.0.0.0:", "//127.0.0.1:")
        needs_key = not settings().open_access
        key = admin_key.read_text() if needs_key and admin_key.exists() else None
        with api_client(address, key) as client:
            _bill_the_sample(client, console, say)
        if arguments.once:
            return
        customer, period = SAMPLE_REPORTS[0]
        say(f"The console: {address}/?month={period}")
        say(f"A report: {address}/billing/reports/{customer}/{period}.html")
        say(f"The API: {address}/docs")
        if key:
            say(f"Sign in with the key {key}")
        say("Press Ctrl-C to stop")
        console.print(f"ready {address}")
        server.join()
        raise CommandError("the server stopped by itself; the log above says why.")


def _bill_the_sample(client: httpx.Client, console: Console, say: Say) -> None:
    say(f"Registering {len(SAMPLE_CUSTOMERS)} customers and {len(PRODUCTS)} products")
    for customer_id, customer in SAMPLE_CUSTOMERS.items():
        json_of(client.put(f"/customers/{customer_id}", json=customer))
    for product_id, product in PRODUCTS.items():
        json_of(client.put(f"/products/{product_id}", json=product))
    answer = json_of(client.post("/leads", json=json.loads(SAMPLE.read_bytes())))
    counts = ", ".join(f"{answer[status]} {status}" for status in STATUSES if answer[status])
    say(f"Posting the {len(answer['results'])} sample leads: {counts}")
    for customer_id, period in SAMPLE_REPORTS:
        say(f"Asking for the report of {customer_id} for {period}")
        print_report(console, fetch_report(client, customer_id, period))


def listener_for(host: str, port: int | None, say: Say) -> socket.socket:
    """On the port asked for and no other; unasked, on the first free one from the default on.

    Raises PortTakenError.
    """
    if port is not None:
        return listen_on(host, port)
    for candidate in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED):
        try:
            listener = listen_on(host, candidate)
        except PortTakenError:
            continue
        if candidate != DEFAULT_PORT:
            say(f"Port {DEFAULT_PORT} is taken: using {candidate}")
        return listener
    return listen_on(host, 0)


if __name__ == "__main__":
    main()
