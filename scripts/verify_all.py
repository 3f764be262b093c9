"""Check every final report, every signed head and the audit log (`make verify-all`)."""

import argparse
import os
import sys
from functools import partial

from scripts.cli import handle_exit
from scripts.database import add_data_dir_argument, shared_database
from services.reports.verify_all import main as verify_all


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.verify_all", description=__doc__)
    add_data_dir_argument(parser)
    args = parser.parse_args()
    os.environ.setdefault("HEADS_DIR", str((args.data_dir / "heads").resolve()))
    with handle_exit(), shared_database(args.data_dir, partial(print, file=sys.stderr, flush=True)):
        status = verify_all()
    sys.exit(status)


if __name__ == "__main__":
    main()
