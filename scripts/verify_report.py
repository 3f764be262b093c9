"""Checks downloaded final reports offline: their hashes, their sums and the chain between them.

    python verify_report.py april.json may.json ...

Needs Python 3.11 or newer and nothing else: no package, no network, no part of this project. Take
the reports as JSON with all lines in one page (?limit=10000). docs/verification.md says what is
hashed and how.
"""

import argparse
import hashlib
import json
import re
import struct
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

_FORMS = (1, 2, 3, 4, 5)
_LINES_OF_A_BLOCK = 250
_UUIDS, _TEXTS, _INSTANTS, _INTEGERS = 2950, 25, 1184, 23  # as PostgreSQL numbers these types
_MAX_OCCURRENCES = 1_000  # of an action: a lead is sent with no more
_BREAKDOWNS = {  # with the member of a line that says which of its parts the line belongs to
    "by_product": "product_id",
    "by_lead_type": "lead_type",
    "by_user": "user_key",
    "by_lead": "lead_id",
}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Refused(Exception):
    """Why a file is not the report that was closed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("files", nargs="+", type=Path, help="reports as JSON")
    try:
        reports = [_verified(file) for file in parser.parse_args().files]
        for customer in sorted({report["customer_id"] for report in reports}):
            _check_chain([each for each in reports if each["customer_id"] == customer])
    except Refused as refused:
        sys.exit(f"NOT verified: {refused}")


def canonical(values: list[Any]) -> bytes:
    """The bytes of a canonical array: JSON in UTF-8, members separated by a comma and a space."""
    return json.dumps(values, ensure_ascii=False, separators=(", ", ": ")).encode()


def line_hash(line: dict[str, Any], period: str, form: int) -> bytes:
    """SHA-256 over a line's canonical form, up to the third; `period` is the report's."""
    if form > 2:
        return hashlib.sha256("\n".join(map(str, line_members(line, period))).encode()).digest()
    repeated = line["duplicate_of"] or {"lead_id": None, "action_id": None}
    moment = datetime.fromisoformat(line["timestamp"]).astimezone(UTC).replace(tzinfo=None)
    return hashlib.sha256(
        canonical(
            [
                line.get("period", period),
                moment.isoformat(timespec="microseconds") + "Z",
                line["lead_id"],
                line["product_id"],
                line["lead_type"],
                line["user_key"],
                line["action_type"],
                line["engagement_level"],
                line["action_id"],
                cents(line["gross"]),
                cents(line["billed"]),
                cents(line["savings"]["duplicate"]),
                cents(line["savings"]["cap"]),
                cents(line["cap_limit"]),
                cents(line["cap_used_before"]),
                line["outcome"],
                repeated["lead_id"],
                repeated["action_id"],
                *([] if form == 1 else [line["rate"]]),
            ]
        )
    ).digest()


def line_members(line: dict[str, Any], period: str) -> list[Any]:
    """What a line's canonical form holds in the third form."""
    since_epoch = datetime.fromisoformat(line["timestamp"]) - datetime(1970, 1, 1, tzinfo=UTC)
    repeated = line["duplicate_of"]
    own_period = line.get("period", period)
    return [
        *([] if own_period == period else [own_period]),
        since_epoch // timedelta(microseconds=1),
        entity_id("lead", line["lead_id"]),
        entity_id("product", line["product_id"]),
        line["user_key"],
        line["action_id"],
        line["engagement_level"],
        cents(line["gross"]),
        cents(line["billed"]),
        cents(line["savings"]["duplicate"]),
        cents(line["savings"]["cap"]),
        cents(line["cap_limit"]),
        cents(line["cap_used_before"]),
        line["outcome"],
        line["rate"],
        *([entity_id("lead", repeated["lead_id"]), repeated["action_id"]] if repeated else []),
        line["lead_type"],
        json.dumps(line["action_type"], ensure_ascii=False),
    ]


def block_hashes(lines: list[dict[str, Any]], period: str, form: int) -> list[bytes]:
    """SHA-256 over each block of lines, from the fourth form on; `period` is the report's."""
    block_hash = block_hash_4 if form == 4 else block_hash_5
    hashes = []
    for month, of_month in groupby(lines, key=lambda line: str(line.get("period", period))):
        left = list(of_month)
        while left:
            hashes.append(block_hash(left[:_LINES_OF_A_BLOCK], month))
            left = left[_LINES_OF_A_BLOCK:]
    return hashes


def block_hash_5(lines: list[dict[str, Any]], month: str) -> bytes:
    """SHA-256 over the SHA-512 of a block's columns."""
    rates = [None if line["rate"] == "level" else line["rate"].encode() for line in lines]
    columns = [
        column(_UUIDS, [uuid.UUID(line["action_id"]).bytes for line in lines]),
        column(_UUIDS, [entity_id("product", line["product_id"]).bytes for line in lines]),
        column(_UUIDS, [uuid.UUID(line["user_key"]).bytes for line in lines]),
        column(_TEXTS, [line["lead_type"].encode() for line in lines]),
        column(_TEXTS, [line["action_type"].encode() for line in lines]),
        column(_INTEGERS, [struct.pack(">i", cents(line["gross"])) for line in lines]),
        column(_INTEGERS, [struct.pack(">i", cents(line["cap_used_before"])) for line in lines]),
        column(_TEXTS, rates),
        *repeated_columns(lines),
    ]
    return of_columns(columns, lines, month, hashlib.sha512)


def block_hash_4(lines: list[dict[str, Any]], month: str) -> bytes:
    """SHA-256 over the SHA-256 of a block's columns."""
    columns = [
        column(_UUIDS, [entity_id("lead", line["lead_id"]).bytes for line in lines]),
        column(_UUIDS, [uuid.UUID(line["action_id"]).bytes for line in lines]),
        column(_UUIDS, [entity_id("product", line["product_id"]).bytes for line in lines]),
        column(_UUIDS, [uuid.UUID(line["user_key"]).bytes for line in lines]),
        column(_TEXTS, [line["lead_type"].encode() for line in lines]),
        column(_TEXTS, [line["action_type"].encode() for line in lines]),
        listed(line["engagement_level"] for line in lines),
        column(_INSTANTS, [instant(line["timestamp"]) for line in lines]),
        listed(cents(line["gross"]) for line in lines),
        listed(cents(line["billed"]) for line in lines),
        listed(cents(line["cap_used_before"]) for line in lines),
        listed(line["rate"] for line in lines),
        *repeated_columns(lines),
    ]
    return of_columns(columns, lines, month, hashlib.sha256)


def repeated_columns(lines: list[dict[str, Any]]) -> list[bytes]:
    """The columns of what the lines repeat: leads and actions."""
    repeated = [line["duplicate_of"] for line in lines]
    return [
        column(_UUIDS, [each and entity_id("lead", each["lead_id"]).bytes for each in repeated]),
        column(_UUIDS, [each and uuid.UUID(each["action_id"]).bytes for each in repeated]),
    ]


def of_columns(
    columns: list[bytes], lines: list[dict[str, Any]], month: str, hashed: Callable[[bytes], Any]
) -> bytes:
    """A block's hash: over its month, its cap, and the hash of each of its columns."""
    (cap_limit,) = {cents(line["cap_limit"]) for line in lines}
    digest = hashlib.sha256(f"{month} {cap_limit}".encode())
    for each in columns:
        digest.update(hashed(each).digest())
    return digest.digest()


def action_ids(line: dict[str, Any]) -> Iterator[str]:
    """The ids that the action of a line may have: of its first occurrence, its second, ..."""
    key = " ".join(line["action_type"].split()).casefold()
    content = entity_id("lead", line["lead_id"]).bytes + instant(line["timestamp"])
    content += line["engagement_level"].encode()
    for occurrence in range(1, _MAX_OCCURRENCES + 1):
        hashed = hashlib.sha256(content + struct.pack(">i", occurrence) + key.encode())
        yield str(uuid.UUID(bytes=hashed.digest()[:16]))


def column(kind: int, values: Sequence[bytes | None]) -> bytes:
    """The bytes of values one after the other, each behind its length; absent ones are of -1."""
    has_absent = int(None in values)
    parts = [struct.pack(">5i", 1, has_absent, kind, len(values), 1)]
    for value in values:
        parts += (
            [struct.pack(">i", -1)] if value is None else [struct.pack(">i", len(value)), value]
        )
    return b"".join(parts)


def listed(values: Iterable[Any]) -> bytes:
    """The bytes of values as text, separated by commas."""
    return ",".join(map(str, values)).encode()


def instant(timestamp: str) -> bytes:
    """Microseconds since 2000-01-01T00:00:00Z, in 8 bytes."""
    since = datetime.fromisoformat(timestamp) - datetime(2000, 1, 1, tzinfo=UTC)
    return struct.pack(">q", since // timedelta(microseconds=1))


def entity_id(kind: str, text: str) -> uuid.UUID:
    """The UUID that a lead or product has by the id that its sender gave it."""
    if _UUID.fullmatch(text):
        return uuid.UUID(text)
    return uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:lead-billing:{kind}"), text)


def credit_hash(credit: dict[str, Any]) -> bytes:
    """SHA-256 over a credit's canonical form."""
    return hashlib.sha256(
        canonical(
            [
                credit["dispute_id"],
                credit["reason"],
                credit["report_period"],
                credit["line_number"],
                credit["lead_id"],
                credit["action_id"],
                cents(credit["amount"]),
            ]
        )
    ).digest()


def content_hash(report: dict[str, Any]) -> str:
    """SHA-256 over the report's canonical form: its header, then the hashes of what it holds."""
    totals, prior, form = report["totals"], report["prior_period"], form_of(report)
    credits = credits_of(report)
    header = [
        f"lead-billing-report/{form}",
        report["customer_id"],
        report["period"],
        report["timezone"],
        report["rate_card"]["name"],
        report["rate_card"]["version"],
        report["previous_hash"],
        totals["leads"],
        totals["actions"],
        len(prior["lines"]),
        cents(totals["gross"]),
        cents(totals["billed"]),
        cents(totals["savings"]["duplicate"]),
        cents(totals["savings"]["cap"]),
        cents(prior["totals"]["billed"]),
        *([] if form == 1 else [len(credits["lines"]), cents(credits["total"])]),
        cents(report["due"]),
    ]
    digest = hashlib.sha256(canonical(header))
    lines = [*report["lines"], *prior["lines"]]
    if form < 4:
        hashes = [line_hash(line, report["period"], form) for line in lines]
    else:
        hashes = block_hashes(lines, report["period"], form)
    digest.update(b"".join(hashes))
    for credit in credits["lines"]:
        digest.update(credit_hash(credit))
    return digest.hexdigest()


def form_of(report: dict[str, Any]) -> int:
    """Which canonical form a report was hashed in; the first one did not name itself."""
    return int(report.get("hash_version", 1))


def credits_of(report: dict[str, Any]) -> dict[str, Any]:
    """A report's credits; there were none before the second form."""
    credits: dict[str, Any] = report.get("credits", {"total": "0.00", "lines": []})
    return credits


def cents(amount: str) -> int:
    """Exact: "12.34" is 1234."""
    whole, dot, fraction = amount.partition(".")
    if not dot or len(fraction) != 2:
        raise ValueError(f"{amount!r} is no amount")
    return int(whole + fraction)


def _verified(file: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(file.read_bytes())
        _check(report)
    except OSError as error:
        raise Refused(f"{file}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"{file}: this is no report of the Lead Billing Engine ({error})") from error
    except Refused as refused:
        raise Refused(f"{file}: {refused}") from None
    print(
        f"{file}: verified: {report['customer_id']}, {report['period']}, due {report['due']} "
        f"{report['totals']['currency']}, {len(report['lines'])} lines, {report['content_hash']}"
    )
    return report


def _check(report: dict[str, Any]) -> None:
    if report["status"] != "final":
        raise Refused(f"it is a {report['status']}: only a final report has a hash")
    if report["content_hash"] is None:
        raise Refused("its month was closed along with a later one, without a report of its own")
    if form_of(report) not in _FORMS:
        raise Refused(f"it is hashed in form {form_of(report)}, which a newer script knows")
    if report["next_cursor"] is not None or len(report["lines"]) < report["totals"]["actions"]:
        raise Refused("not all lines are in it: download it with ?limit=10000")
    for number, line in enumerate(report["lines"] + report["prior_period"]["lines"], start=1):
        _check_line(line, number)
        # The fifth form holds a line's lead, moment and level by its action's id.
        if form_of(report) > 4 and line["action_id"] not in action_ids(line):
            raise Refused(f"line {number} is not of its action: that has another id")
    _check_sums(report["totals"], report["lines"], "its totals")
    for breakdown, member in _BREAKDOWNS.items():
        _check_breakdown(report, breakdown, member)
    prior = report["prior_period"]
    _check_sums(prior["totals"], prior["lines"], "the totals of its prior periods")
    credits = credits_of(report)
    if cents(credits["total"]) != sum(cents(credit["amount"]) for credit in credits["lines"]):
        raise Refused(f"its credits do not add up: their total is {credits['total']}")
    if form_of(report) == 1 and credits["lines"]:
        raise Refused("it has credits, and its canonical form has none")
    billed = cents(report["totals"]["billed"]) + cents(prior["totals"]["billed"])
    if cents(report["due"]) != billed - cents(credits["total"]):
        raise Refused("what is due is not what was billed less credits")
    found = content_hash(report)
    if found != report["content_hash"]:
        raise Refused(f"its hash is {report['content_hash']}, but what it holds gives {found}")


def _check_line(line: dict[str, Any], number: int) -> None:
    savings = line["savings"]
    parts = cents(line["billed"]) + cents(savings["duplicate"]) + cents(savings["cap"])
    if cents(line["gross"]) != parts:
        raise Refused(f"line {number} does not add up: gross is not billed and savings")
    if cents(savings["total"]) != cents(savings["duplicate"]) + cents(savings["cap"]):
        raise Refused(f"line {number} does not add up: its savings are not their total")
    # The hash of a block holds neither: they follow from what a line repeats and what it billed.
    if cents(savings["cap" if line["duplicate_of"] else "duplicate"]):
        raise Refused(f"line {number} does not add up: it saved in another way than it says")
    if line["outcome"] != _outcome(line):
        raise Refused(f"line {number} does not add up: its outcome is {_outcome(line)}")
    # Nor, from the fifth form on, what follows from the cap that was left.
    left = max(cents(line["cap_limit"]) - cents(line["cap_used_before"]), 0)
    billed = 0 if line["duplicate_of"] else min(cents(line["gross"]), left)
    if cents(line["billed"]) != billed:
        raise Refused(f"line {number} does not add up: it billed otherwise than its cap allows")
    after = cents(line["cap_used_before"]) + cents(line["billed"])
    # Reports downloaded before it stood on a line lack it.
    if "cap_used_after" in line and cents(line["cap_used_after"]) != after:
        raise Refused(f"line {number} does not add up: cap_used_after")


def _outcome(line: dict[str, Any]) -> str:
    if line["duplicate_of"]:
        return "duplicate"
    if line["billed"] == line["gross"]:
        return "billed"
    return "partially_capped" if cents(line["billed"]) else "capped"


def _check_sums(totals: dict[str, Any], lines: list[dict[str, Any]], name: str) -> None:
    sums = {
        "gross": sum(cents(line["gross"]) for line in lines),
        "billed": sum(cents(line["billed"]) for line in lines),
        "duplicate": sum(cents(line["savings"]["duplicate"]) for line in lines),
        "cap": sum(cents(line["savings"]["cap"]) for line in lines),
    }
    sums["total"] = sums["duplicate"] + sums["cap"]
    for member, total in (totals | totals["savings"]).items():
        if member in sums and cents(total) != sums[member]:
            raise Refused(f"{name} do not add up: {member} is {total}")
    for member, count in (
        ("actions", len(lines)),
        ("leads", len({line["lead_id"] for line in lines})),
    ):
        if totals[member] != count:
            raise Refused(f"{name} count {totals[member]} {member}, and there are {count}")


def _check_breakdown(report: dict[str, Any], breakdown: str, member: str) -> None:
    """Each part comes to what its lines do, and each line is in one."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for line in report["lines"]:
        lines.setdefault(line[member], []).append(line)
    named = [part[member] for part in report[breakdown]]
    if sorted(named) != sorted(lines):
        raise Refused(f"{breakdown} is not of the lines: it lacks a {member}, or has another")
    for part in report[breakdown]:
        name = f"the totals of {part[member]} {breakdown}"
        _check_sums(part["totals"], lines[part[member]], name)


def _check_chain(reports: list[dict[str, Any]]) -> None:
    """Each report names the hash of the customer's report before it."""
    chain = sorted(reports, key=lambda report: str(report["period"]))
    for earlier, later in pairwise(chain):
        if later["previous_hash"] != earlier["content_hash"]:
            raise Refused(
                f"the chain of {later['customer_id']} is broken: {later['period']} does not follow "
                f"{earlier['period']}; a report is missing between them, or was made anew"
            )
    if len(chain) > 1:
        print(f"{chain[0]['customer_id']}: a chain of {len(chain)} reports holds")


if __name__ == "__main__":
    main()
