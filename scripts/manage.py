"""Manage API keys and erase users (`make key-create` and others), in a database or over the API.

Results go to standard output, progress to standard error.
"""

import argparse
import os
import sys
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from common.problems import Problem
from scripts.api_client import api_client, json_of
from scripts.cli import CommandError, handle_exit
from scripts.database import add_data_dir_argument, shared_database
from scripts.local_server import load_or_create_key
from scripts.migrate import upgrade_configured_database
from services.reports import cli


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.manage", description=__doc__)
    add_data_dir_argument(parser)
    parser.add_argument("--api", help="URL of an API to call instead of using a database")
    options, rest = parser.parse_known_args()
    args = cli.parser().parse_args(rest)
    say = partial(print, file=sys.stderr)
    with handle_exit():
        if options.api:
            with api_client(options.api) as client:
                _run_over_api(client, args)
            return
        if not os.environ.get("USER_HASH_KEY") and not os.environ.get("DATABASE_URL"):
            os.environ["USER_HASH_KEY"] = load_or_create_key(options.data_dir / "user_hash_key")
        with shared_database(options.data_dir, say):
            upgrade_configured_database()
            try:
                cli.run(args)
            except (Problem, LookupError, RuntimeError) as problem:
                raise CommandError(str(problem)) from problem


def _run_over_api(client: httpx.Client, args: argparse.Namespace) -> None:
    match args.command:
        case "key-create":
            body = {"name": args.name, "role": args.role.value, "customer_id": args.customer}
            _show(json_of(client.post("/keys", json=body)))
        case "key-list":
            cursor: str | None = ""
            while cursor is not None:
                query = {"limit": 500} | ({"cursor": cursor} if cursor else {})
                page = json_of(client.get("/keys", params=query))
                for key in page["data"]:
                    _show(key)
                cursor = page["next_cursor"]
        case "key-rotate":
            body = {"overlap_hours": args.overlap_hours}
            _show(json_of(client.post(f"/keys/{args.key_id}/rotate", json=body)))
        case "erase":
            path = f"/customers/{quote(args.customer, safe='')}/erasures"
            erasure = json_of(client.post(path, json={"user": args.user}))
            leads, quarantined = erasure["leads"], erasure["quarantined_leads"]
            print(f"erased from {leads} leads and {quarantined} in quarantine")
        case _:
            _show(json_of(client.post(f"/keys/{args.key_id}/revoke")))


def _show(key: dict[str, Any]) -> None:
    expiry = f"  (expiry: {key['expires_at']})" if key["expires_at"] else ""
    owner = key["customer_id"] or "all customers"
    print(f"{key['key_id']}  {key['role']:<6}  {owner}  {key['name']}{expiry}")
    if "key" in key:
        print(key["key"])


if __name__ == "__main__":
    main()
