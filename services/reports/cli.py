"""Commands for keys and erasures on the configured database: `python -m services.reports.cli`.

The service's image contains them, so that a one-off task can create the first key of a deployment.
A new key is printed, and the output of a task is logged. So for a task, create the key elsewhere
and pass its hash.
"""

import argparse
import os
import pwd
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from common.access.api_keys import (
    KeyMaterial,
    create_key,
    list_keys,
    revoke_key,
    rotate_key,
    store_key,
)
from common.access.models import ApiKey
from common.database.transactions import acting_as, long_work, transaction
from common.enums import Role
from common.leads.erasure import erase_user
from common.problems import Problem
from common.settings import settings

_MAX_LISTED = 10_000


def main(arguments: Sequence[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    try:
        run(args)
    except Problem as problem:
        fields = "".join(f"\n  {error.pointer}: {error.detail}" for error in problem.errors)
        sys.exit(f"error: {problem.detail}{fields}")


def parser() -> argparse.ArgumentParser:
    commands_parser = argparse.ArgumentParser(
        prog="python -m services.reports.cli", description=__doc__
    )
    commands = commands_parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("key-create", help="create a key and print it once")
    create.add_argument("--name", required=True, type=_name, help="who or what uses it")
    create.add_argument("--role", required=True, type=Role, choices=list(Role))
    create.add_argument("--customer", help="limit to one customer")
    create.add_argument("--key-id", help="id of a key that was created elsewhere")
    create.add_argument("--key-hash", type=_hash, help="SHA-256 of that key, in hex")
    commands.add_parser("key-list", help="list the keys")
    rotate = commands.add_parser("key-rotate", help="replace a key by a new one and print it")
    rotate.add_argument("key_id")
    rotate.add_argument("--overlap-hours", type=int, default=24, help="(%(default)s)")
    erase = commands.add_parser("erase", help="erase a user of a customer")
    erase.add_argument("--customer", required=True)
    erase.add_argument("--user", required=True, help="email, phone, external id or user key")
    revoke = commands.add_parser("key-revoke", help="revoke a key")
    revoke.add_argument("key_id")
    return commands_parser


def run(args: argparse.Namespace) -> None:
    """Runs a parsed command. Raises Problem."""
    actor = f"command {args.command} by {account()}"
    with acting_as(actor), long_work(), transaction() as session:
        match args.command:
            case "key-create" if args.key_hash:
                material = KeyMaterial(args.key_id, args.key_hash)
                key = store_key(session, material, args.name, args.role, args.customer)
                lines = [describe(key)]
            case "key-create":
                key, token = create_key(session, args.name, args.role, args.customer)
                lines = [describe(key), token.text]
            case "key-list":
                lines = [describe(key) for key in list_keys(session, None, _MAX_LISTED)]
            case "key-rotate":
                overlap = timedelta(hours=args.overlap_hours)
                key, token = rotate_key(session, args.key_id, overlap)
                lines = [describe(key), token.text]
            case "erase":
                lines = [str(erase_user(session, args.customer, args.user, settings()))]
            case _:
                lines = [describe(revoke_key(session, args.key_id))]
    # After the commit, so that a printed key works.
    print(*lines, sep="\n")  # noqa: T201


def describe(key: ApiKey) -> str:
    """A key in one line, without its secret."""
    owner = "all customers" if key.customer is None else key.customer.external_id
    line = f"{key.key_id}  {key.role.value:<6}  {owner}  {key.name}"
    if key.expires_at is None:
        return line
    verb = "ends" if key.expires_at > datetime.now(UTC) else "ended"
    return f"{line}  ({verb} {key.expires_at:%Y-%m-%d %H:%M:%S} UTC)"


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > 200:
        raise argparse.ArgumentTypeError("needs 1 to 200 characters")
    return name


def _hash(text: str) -> bytes:
    try:
        key_hash = bytes.fromhex(text)
    except ValueError:
        key_hash = b""
    if len(key_hash) != 32:
        raise argparse.ArgumentTypeError("is no SHA-256 in hex")
    return key_hash


def account() -> str:
    """The account that runs the command, for the audit log."""
    # Not from the environment: `make erase USER=...` puts the user to erase there.
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"account {os.geteuid()}"


if __name__ == "__main__":
    main()
