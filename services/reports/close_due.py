"""Closes the months that are due, as the schedule does: one line of JSON for each run.

    python -m services.reports.close_due --grace-days 3

Exits with 1 if a customer could not be closed; the next run tries it again.
"""

import argparse
import json
import sys
from datetime import UTC, datetime

from common.closing.schedule import MAX_GRACE_DAYS, close_due
from common.observability.metrics import sinks
from common.rating.standing_totals.catch_up import catch_up
from common.settings import Settings
from services.reports.api.schemas.billing_runs import BillingRun
from services.reports.http.request_logging import write_to_cloudwatch


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m services.reports.close_due")
    parser.add_argument(
        "--grace-days",
        type=int,
        choices=range(MAX_GRACE_DAYS + 1),
        metavar=f"0..{MAX_GRACE_DAYS}",
        default=3,
        help="how long a month must have been over, for its late actions (%(default)s)",
    )
    parser.add_argument("--actor", default="schedule", help="for the run history (%(default)s)")
    args = parser.parse_args(arguments)
    if Settings().cloudwatch_metrics and write_to_cloudwatch not in sinks:
        sinks.append(write_to_cloudwatch)
    failed = 0
    runs = 0
    for run in close_due(datetime.now(UTC), args.grace_days, args.actor):
        runs += 1
        summary = BillingRun.from_run(run)
        failed += summary.failed
        sys.stdout.write(json.dumps(summary.model_dump(mode="json")) + "\n")
        sys.stdout.flush()
    catch_up()  # for where no task of the service runs all the time
    if not runs:
        sys.stdout.write("nothing is due\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
