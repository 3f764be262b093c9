"""The product in one command (`make demo`): the API, the sample leads and their reports."""

import argparse
import socket
from typing import Any

import httpx
from rich.console import Console

from common.settings import settings
from scripts.api_client import ADMIN_KEY, api_client, json_of
from scripts.cli import handle_exit
from scripts.database import Say, add_data_dir_argument
from scripts.local_server import (
    DEFAULT_PORT,
    PortTakenError,
    listen_on,
    local_api,
    own_address_of,
)
from scripts.report import fetch_report, print_report, terminal
from scripts.sample_data import CUSTOMERS, LEADS, PRODUCTS, REPORTS
from scripts.seed import JSON, STATUSES
from scripts.workers import add_workers_argument

_PORTS_TRIED = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description=__doc__)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address; any but loopback needs a key (%(default)s)"
    )
    parser.add_argument(
        "--port", type=int, help=f"port to listen on ({DEFAULT_PORT}, or the next free one)"
    )
    add_data_dir_argument(parser, ".data/demo")
    add_workers_argument(parser)
    parser.add_argument("--once", action="store_true", help="stop after printing the reports")
    args = parser.parse_args()
    console = terminal()
    admin_key = args.data_dir / ADMIN_KEY

    def say(step: str) -> None:
        console.print(f"[bold blue]>[/] {step}")

    with (
        handle_exit(),
        open_listener(args.host, args.port, say) as listener,
        local_api(listener, args.data_dir, say, args.workers, is_open=True) as workers,
    ):
        address = own_address_of(listener)
        needs_key = not settings().open_access
        key = admin_key.read_text() if needs_key and admin_key.exists() else None
        with api_client(address, key) as client:
            _bill_sample(client, console, say)
        if args.once:
            return
        customer, period = REPORTS[0]
        say(f"The console: {address}/?month={period}")
        say(f"A report: {address}/billing/reports/{customer}/{period}.html")
        say(f"The API: {address}/docs")
        if key:
            say(f"Sign in with the key {key}")
        else:
            say("Open access: on this machine, every program is admin without a key")
        say("Press Ctrl-C to stop")
        console.print(f"ready {address}")
        workers.watch()


def post_sample(client: httpx.Client) -> Any:
    """Register the sample's customers and products, and post its leads; the answer to the leads."""
    for noun, entries in (("customers", CUSTOMERS), ("products", PRODUCTS)):
        for identifier, fields in entries.items():
            json_of(client.put(f"/{noun}/{identifier}", json=fields))
    return json_of(client.post("/leads", content=LEADS.read_bytes(), headers=JSON))


def _bill_sample(client: httpx.Client, console: Console, say: Say) -> None:
    say(f"Registering {len(CUSTOMERS)} customers and {len(PRODUCTS)} products, posting leads")
    answer = post_sample(client)
    counts = ", ".join(f"{answer[status]} {status}" for status in STATUSES if answer[status])
    say(f"Posted {len(answer['results'])} sample leads: {counts}")
    for customer_id, period in REPORTS:
        say(f"Fetching the report of {customer_id} for {period}")
        print_report(console, fetch_report(client, customer_id, period))


def open_listener(host: str, port: int | None, say: Say) -> socket.socket:
    """Listen on `port`, or without one on the first free port from DEFAULT_PORT upwards.

    Raises PortTakenError when `port` is taken.
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
