"""Keys and erasures by command (`make key-create` and its kin), on a database or over an API.

The key itself goes to standard output, everything else to standard error.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from common.problems import Problem
from scripts.api_client import api_client, json_of
from scripts.cli import CommandError, ending_as_a_command
from scripts.database import shared_database
from scripts.local_server import kept_key
from scripts.migrate import upgrade_configured_database


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.manage", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path(".data/run"), help="(%(default)s)")
    parser.add_argument("--api", help="address of an API to ask instead")
    own, rest = parser.parse_known_args()
    # Settings are read once, by whatever reads them first.
    from services.reports import cli  # noqa: PLC0415

    asked = cli.parser().parse_args(rest)
    say = partial(print, file=sys.stderr)
    with ending_as_a_command():
        if own.api:
            with api_client(own.api) as client:
                _ask(client, asked)
            return
        if not os.environ.get("USER_HASH_KEY") and not os.environ.get("DATABASE_URL"):
            os.environ["USER_HASH_KEY"] = kept_key(own.data_dir / "user_hash_key")
        with shared_database(own.data_dir, say):
            upgrade_configured_database()
            try:
                cli.run(asked)
            except (Problem, LookupError, RuntimeError) as problem:
                raise CommandError(str(problem)) from problem


def _ask(client: httpx.Client, asked: argparse.Namespace) -> None:
    match asked.command:
        case "key-create":
            body = {"name": asked.name, "role": asked.role.value, "customer_id": asked.customer}
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
            body = {"overlap_hours": asked.overlap_hours}
            _show(json_of(client.post(f"/keys/{asked.key_id}/rotate", json=body)))
        case "erase":
            address = f"/customers/{quote(asked.customer, safe='')}/erasures"
            done = json_of(client.post(address, json={"user": asked.user}))
            print(
                f"erased from {done['leads']} leads and {done['quarantined_leads']} in quarantine"
            )
        case _:
            _show(json_of(client.post(f"/keys/{asked.key_id}/revoke")))


def _show(key: dict[str, Any]) -> None:
    ends = f"  (ends or ended {key['expires_at']})" if key["expires_at"] else ""
    owner = key["customer_id"] or "all customers"
    print(f"{key['key_id']}  {key['role']:<6}  {owner}  {key['name']}{ends}")
    if "key" in key:
        print(key["key"])


if __name__ == "__main__":
    main()
