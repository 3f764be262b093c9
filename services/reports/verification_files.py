"""What scripts/verify_report.py checks, as files: each final report with all of its pages and the
proof that the newest signed head holds it, the keys, and the proofs from earlier heads to that one.

Invariant: the files are the answers of the API, so what verifies there verifies here.
"""

import re
import zipfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Protocol

from sqlalchemy.orm import Session

from common.billing_period import Period
from common.problems import NotFound
from common.proof.heads import (
    heads_of_customers,
    prove_consistency,
    prove_inclusion,
    signing_keys,
)
from common.rating.periods import PeriodTotals
from common.reports.line_search import ALL_LINES
from common.reports.months import Month, find_month
from services.reports.api.schemas.heads import Consistency, Inclusion, SigningKeys
from services.reports.report_pages import (
    lead_page,
    line_page,
    prior_line_page,
    report_header,
    user_page,
)

_PAGE = 1_000
_READ_ME = """Each folder with a number holds a final report: its own file, then its pages, then the
proof that the newest signed head holds it. The folder `heads` holds the proofs that this head goes
on with earlier ones, and the public keys. To verify all of it:

    python verify_report.py THIS_FILE.zip --key KEY --head HEAD

KEY is the public key that you first received. HEAD is a head, or a proof of inclusion, that you
kept: it shows whether a report was replaced since. verify_report.py is in the folder `scripts`
of the project; docs/verification.md says what it does.
"""


class _Page(Protocol):
    @property
    def next_cursor(self) -> str | None: ...

    def model_dump_json(self) -> str: ...


def write_verification(
    session: Session, entries: list[PeriodTotals], path: Path, wrote: Callable[[int], None]
) -> None:
    """A zip with a folder for each final report. Tells `wrote` of each report."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("README.txt", _READ_ME)
        for number, entry in enumerate(entries, start=1):
            month = find_month(session, entry.customer, Period(entry.period))
            folder = f"{number:05d}-{_plain(entry.customer)}-{month.period}"
            for place, (name, document) in enumerate(_files(session, month, wrote)):
                package.writestr(f"{folder}/{place:05d}-{name}.json", document)
            wrote(1)
        for name, document in _heads(session, {entry.customer for entry in entries}):
            package.writestr(f"heads/{name}.json", document)


def _heads(session: Session, customers: Collection[str]) -> Iterator[tuple[str, str]]:
    keys = signing_keys(session)
    if keys:
        yield "keys", SigningKeys.from_keys(keys).model_dump_json()
    for number in heads_of_customers(session, customers):
        earlier, later, path = prove_consistency(session, number, None)
        document = Consistency.from_proof(earlier, later, path).model_dump_json()
        yield f"from-{number:010d}-to-{later.head_number:010d}", document


def _files(
    session: Session, month: Month, wrote: Callable[[int], None]
) -> Iterator[tuple[str, str]]:
    report = report_header(session, month, _PAGE)
    yield "report", report.model_dump_json()
    lists: list[tuple[str, str | None, Callable[[str], _Page]]] = [
        (
            "lines",
            report.next_cursor,
            lambda cursor: line_page(session, month, ALL_LINES, cursor, _PAGE),
        ),
        (
            "prior-lines",
            report.prior_period.next_cursor,
            lambda cursor: prior_line_page(session, month, cursor, _PAGE),
        ),
        (
            "users",
            report.next_users_cursor,
            lambda cursor: user_page(session, month, ALL_LINES, cursor, _PAGE),
        ),
        (
            "leads",
            report.next_leads_cursor,
            lambda cursor: lead_page(session, month, ALL_LINES, cursor, _PAGE),
        ),
    ]
    for name, cursor, page_of in lists:
        behind = cursor
        while behind is not None:
            wrote(0)
            page = page_of(behind)
            yield name, page.model_dump_json()
            behind = page.next_cursor
    try:
        proof = prove_inclusion(session, month.customer.external_id, month.period, None)
    except NotFound:  # it is not signed
        return
    yield "inclusion", Inclusion.from_proof(proof).model_dump_json()


def _plain(customer: str) -> str:
    """A customer's id as a part of a file's name, on any system."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", customer)[:60].strip(".") or "_"
