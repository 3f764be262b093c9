"""Close every month that is due, as the schedule does on AWS (`make close-due`)."""

import argparse
import sys
from datetime import UTC, datetime
from functools import partial

from common.closing.schedule import MAX_GRACE_DAYS, close_due
from scripts.cli import handle_exit
from scripts.close import print_run, require_all_closed
from scripts.database import add_data_dir_argument, shared_database
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
        help="days that must pass between the end of a month and its closing (%(default)s)",
    )
    add_data_dir_argument(parser)
    args = parser.parse_args()
    say = partial(print, file=sys.stderr, flush=True)
    with handle_exit(), shared_database(args.data_dir, say):
        upgrade_configured_database()
        runs = [
            BillingRun.from_run(run)
            for run in close_due(datetime.now(UTC), args.grace_days, account())
        ]
        for run in runs:
            print_run(terminal(), run.model_dump(mode="json"))
        if not runs:
            print("No month is due.")
        require_all_closed(sum(run.failed for run in runs))


if __name__ == "__main__":
    main()
