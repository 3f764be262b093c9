"""Closes every month that is due, as the schedule does on AWS (`make close-due`)."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from common.closing.schedule import MAX_GRACE_DAYS, close_due
from scripts.cli import CommandError, ending_as_a_command
from scripts.close import print_run
from scripts.database import shared_database
from scripts.migrate import upgrade_configured_database
from scripts.report import terminal
from services.reports.api.schemas.billing_runs import BillingRun
from services.reports.cli import account


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.close_due", description=__doc__)
    parser.add_argument(
        "--grace-days",
        type=int,
        choices=range(MAX_GRACE_DAYS + 1),
        metavar=f"0..{MAX_GRACE_DAYS}",
        default=3,
        help="how long a month must have been over (%(default)s)",
    )
    parser.add_argument("--data-dir", type=Path, default=Path(".data/run"), help="(%(default)s)")
    arguments = parser.parse_args()
    with ending_as_a_command(), shared_database(arguments.data_dir, _say):
        upgrade_configured_database()
        runs = [
            BillingRun.from_run(run)
            for run in close_due(datetime.now(UTC), arguments.grace_days, account())
        ]
        for run in runs:
            print_run(terminal(), run.model_dump(mode="json"))
        if not runs:
            print("Nothing is due.")
        failed = sum(run.failed for run in runs)
        if failed:
            raise CommandError(f"customers that could not be closed: {failed}; see above.")


def _say(step: str) -> None:
    print(step, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
