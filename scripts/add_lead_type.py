"""Adds a lead type: a row, no release (`make add-lead-type NAME="Podcast"`)."""

import argparse
from pathlib import Path

from common.catalog.lead_types import add_lead_type
from common.database.transactions import acting_as, transaction
from scripts.cli import ending_as_a_command
from scripts.database import shared_database
from scripts.migrate import upgrade_configured_database
from services.reports.cli import account


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.add_lead_type", description=__doc__)
    parser.add_argument("name", help="the lead type, as senders will write it")
    parser.add_argument("--data-dir", type=Path, default=Path(".data/run"), help="(%(default)s)")
    arguments = parser.parse_args()
    name = " ".join(arguments.name.split())
    if not name:
        parser.error("the name is empty")
    with ending_as_a_command(), shared_database(arguments.data_dir, print):
        upgrade_configured_database()
        with (
            acting_as(f"command add-lead-type by {account()}"),
            transaction() as connection,
        ):
            added = add_lead_type(connection, name)
    print(f"Lead type {name!r} " + ("is added." if added else "was known already."))


if __name__ == "__main__":
    main()
