"""Replace the key that reports and heads are signed with (`make rotate-signing-key`)."""

import argparse
import os
from pathlib import Path

from common.database.transactions import acting_as
from common.proof.rotation import rotate_key_file
from common.proof.sealing import HistoryRewritten
from common.settings import settings
from scripts.cli import CommandError, handle_exit
from scripts.database import add_data_dir_argument, shared_database
from services.reports.cli import account


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.rotate_signing_key", description=__doc__
    )
    add_data_dir_argument(parser)
    args = parser.parse_args()
    with handle_exit():
        if os.environ.get("SIGNING_KMS_KEY"):
            raise CommandError(
                "a key of KMS is rotated by setting SIGNING_KMS_KEY to another one "
                "(docs/verification.md)."
            )
        key_file = args.data_dir / "signing_key.pem"
        path = Path(os.environ.setdefault("SIGNING_KEY_FILE", str(key_file.resolve())))
        os.environ.setdefault("HEADS_DIR", str((args.data_dir / "heads").resolve()))
        if not path.exists():
            raise CommandError(f"there is no key in {path}.")
        try:
            with (
                shared_database(args.data_dir, print),
                acting_as(f"command rotate-signing-key by {account()}"),
            ):
                rotated = rotate_key_file(settings(), path)
        except HistoryRewritten as error:
            raise CommandError(f"nothing was signed, and the key stays: {error}.") from error
    print(f"The key was {rotated.old.key_id}, and is {rotated.new.key_id} now.")


if __name__ == "__main__":
    main()
