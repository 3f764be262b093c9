"""Add a lead type without a release: it is one row (`make add-lead-type NAME="Podcast"`)."""

import argparse

from common.catalog.lead_types import add_lead_type
from common.database.transactions import acting_as, transaction
from scripts.cli import handle_exit
from scripts.database import add_data_dir_argument, shared_database
from scripts.migrate import upgrade_configured_database
from services.reports.cli import account


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.add_lead_type", description=__doc__)
    parser.add_argument("name", help="the lead type, spelled as senders write it")
    add_data_dir_argument(parser)
    args = parser.parse_args()
    name = " ".join(args.name.split())
    if not name:
        parser.error("the name is empty")
    with handle_exit(), shared_database(args.data_dir, print):
        upgrade_configured_database()
        with (
            acting_as(f"command add-lead-type by {account()}"),
            transaction() as session,
        ):
            added = add_lead_type(session, name)
    print(f"Lead type {name!r} " + ("is added." if added else "exists already."))


if __name__ == "__main__":
    main()
