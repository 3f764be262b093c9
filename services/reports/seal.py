"""Signs final reports that are not signed yet, such as those that were closed by hand.

    python -m services.reports.seal

For where the service has no key to sign with. Exits with 1 if nothing could be signed: without a
key, or because the history was rewritten (docs/verification.md).
"""

import sys

from common.database.transactions import long_work
from common.database.waiting import until
from common.proof.sealing import HistoryRewritten, seal
from common.proof.signing import signer_of
from common.settings import settings


def main() -> int:
    if signer_of(settings()) is None:
        sys.stdout.write("there is no key to sign with: set SIGNING_KMS_KEY or SIGNING_KEY_FILE\n")
        return 1
    try:
        with long_work(), until(None):
            while seal(settings()):
                pass
    except HistoryRewritten as error:
        sys.stdout.write(f"nothing was signed: {error}\n")
        return 1
    sys.stdout.write("every final report is signed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
