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
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

_HASH_VERSION = 1
_LINES_OF_A_BLOCK = 250
_UUIDS, _TEXTS, _INTEGERS = 2950, 25, 23  # as PostgreSQL numbers these types
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


def block_hashes(customer: uuid.UUID, lines: list[dict[str, Any]], period: str) -> Iterator[bytes]:
    """The hash of each block of lines; `customer` and `period` are the report's."""
    for month, group in groupby(lines, key=lambda line: str(line.get("period", period))):
        lines_of_month = list(group)
        for first in range(0, len(lines_of_month), _LINES_OF_A_BLOCK):
            yield block_hash(customer, lines_of_month[first : first + _LINES_OF_A_BLOCK], month)


def block_hash(customer: uuid.UUID, lines: list[dict[str, Any]], month: str) -> bytes:
    """SHA-256 over a block's month, its cap and the SHA-512 of each of its columns."""
    (cap_limit,) = {cents(line["cap_limit"]) for line in lines}
    rates = [None if line["rate"] == "level" else line["rate"].encode() for line in lines]
    originals = [line["duplicate_of"] for line in lines]
    columns = [
        column(_UUIDS, [uuid.UUID(line["action_id"]).bytes for line in lines]),
        column(_UUIDS, [entity_id("product", line["product_id"]).bytes for line in lines]),
        column(_UUIDS, [uuid.UUID(line["user_key"]).bytes for line in lines]),
        column(_TEXTS, [line["lead_type"].encode() for line in lines]),
        column(_TEXTS, [line["action_type"].encode() for line in lines]),
        column(_INTEGERS, [struct.pack(">i", cents(line["gross"])) for line in lines]),
        column(_INTEGERS, [struct.pack(">i", cents(line["cap_used_before"])) for line in lines]),
        column(_TEXTS, rates),
        column(_UUIDS, [each and lead_id(customer, each["lead_id"]).bytes for each in originals]),
        column(_UUIDS, [each and uuid.UUID(each["action_id"]).bytes for each in originals]),
    ]
    digest = hashlib.sha256(f"{month} {cap_limit}".encode())
    for each in columns:
        digest.update(hashlib.sha512(each).digest())
    return digest.digest()


def action_ids(customer: uuid.UUID, line: dict[str, Any]) -> Iterator[str]:
    """The ids that the action of a line may have: of its first occurrence, its second, ..."""
    key = " ".join(line["action_type"].split()).casefold()
    since_2000 = datetime.fromisoformat(line["timestamp"]) - datetime(2000, 1, 1, tzinfo=UTC)
    content = lead_id(customer, line["lead_id"]).bytes
    content += struct.pack(">q", since_2000 // timedelta(microseconds=1))
    content += line["engagement_level"].encode()
    for occurrence in range(1, _MAX_OCCURRENCES + 1):
        hashed = hashlib.sha256(content + struct.pack(">i", occurrence) + key.encode())
        yield str(uuid.UUID(bytes=hashed.digest()[:16]))


def column(kind: int, values: Sequence[bytes | None]) -> bytes:
    """The bytes of values one after the other, each behind its length; absent ones are of -1."""
    has_absent = int(None in values)
    parts = [struct.pack(">5i", 1, has_absent, kind, len(values), 1)]
    for value in values:
        parts += [b"\xff" * 4] if value is None else [struct.pack(">i", len(value)), value]
    return b"".join(parts)


def entity_id(kind: str, text: str) -> uuid.UUID:
    """The UUID that a customer or product has by the id that its sender gave it."""
    if _UUID.fullmatch(text):
        return uuid.UUID(text)
    return uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:lead-billing:{kind}"), text)


def lead_id(customer: uuid.UUID, text: str) -> uuid.UUID:
    """The UUID that a customer's lead has by the id that its sender gave it."""
    return uuid.uuid5(customer, text)


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
    """SHA-256 over the report's header, then the hashes of its blocks and credits."""
    totals, prior, credits = report["totals"], report["prior_period"], report["credits"]
    finalized_at = datetime.fromisoformat(report["finalized_at"]).astimezone(UTC)
    names = {part["product_id"]: part["name"] for part in report["by_product"]}
    header = [
        f"lead-billing-report/{report['hash_version']}",
        report["customer_id"],
        report["customer_name"],
        report["period"],
        report["timezone"],
        report["issuer"],
        f"{finalized_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        report["rate_card"]["name"],
        report["rate_card"]["version"],
        {product: names[product] for product in sorted(names, key=_length_then_bytes)},
        report["previous_hash"],
        totals["leads"],
        totals["actions"],
        len(prior["lines"]),
        cents(totals["gross"]),
        cents(totals["billed"]),
        cents(totals["savings"]["duplicate"]),
        cents(totals["savings"]["cap"]),
        cents(prior["totals"]["billed"]),
        len(credits["lines"]),
        cents(credits["total"]),
        cents(report["due"]),
    ]
    digest = hashlib.sha256(canonical(header))
    customer = entity_id("customer", report["customer_id"])
    for each in block_hashes(customer, [*report["lines"], *prior["lines"]], report["period"]):
        digest.update(each)
    for credit in credits["lines"]:
        digest.update(credit_hash(credit))
    return digest.hexdigest()


def _length_then_bytes(text: str) -> tuple[int, bytes]:
    return len(text.encode()), text.encode()


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
    if report["hash_version"] != _HASH_VERSION:
        raise Refused(f"its hash is of version {report['hash_version']}: use a newer script")
    if report["next_cursor"] is not None or len(report["lines"]) < report["totals"]["actions"]:
        raise Refused("not all lines are in it: download it with ?limit=10000")
    customer = entity_id("customer", report["customer_id"])
    for number, line in enumerate(report["lines"] + report["prior_period"]["lines"], start=1):
        _check_line(customer, line, number)
    _check_sums(report["totals"], report["lines"], "its totals")
    for breakdown, member in _BREAKDOWNS.items():
        _check_breakdown(report, breakdown, member)
    prior = report["prior_period"]
    _check_sums(prior["totals"], prior["lines"], "the totals of its prior periods")
    credits = report["credits"]
    if cents(credits["total"]) != sum(cents(credit["amount"]) for credit in credits["lines"]):
        raise Refused(f"its credits do not add up: their total is {credits['total']}")
    billed = cents(report["totals"]["billed"]) + cents(prior["totals"]["billed"])
    if cents(report["due"]) != billed - cents(credits["total"]):
        raise Refused("what is due is not what was billed less credits")
    found = content_hash(report)
    if found != report["content_hash"]:
        raise Refused(f"its hash is {report['content_hash']}, but what it holds gives {found}")


def _check_line(customer: uuid.UUID, line: dict[str, Any], number: int) -> None:
    """What the hash does not hold of a line follows from what it holds."""
    savings = line["savings"]
    parts = cents(line["billed"]) + cents(savings["duplicate"]) + cents(savings["cap"])
    if cents(line["gross"]) != parts:
        raise Refused(f"line {number} does not add up: gross is not billed and savings")
    if cents(savings["total"]) != cents(savings["duplicate"]) + cents(savings["cap"]):
        raise Refused(f"line {number} does not add up: its savings are not their total")
    if cents(savings["cap" if line["duplicate_of"] else "duplicate"]):
        raise Refused(f"line {number} does not add up: it saved in another way than it says")
    if line["outcome"] != _outcome(line):
        raise Refused(f"line {number} does not add up: its outcome is {_outcome(line)}")
    left = max(cents(line["cap_limit"]) - cents(line["cap_used_before"]), 0)
    billed = 0 if line["duplicate_of"] else min(cents(line["gross"]), left)
    if cents(line["billed"]) != billed:
        raise Refused(f"line {number} does not add up: it billed otherwise than its cap allows")
    if cents(line["cap_used_after"]) != cents(line["cap_used_before"]) + billed:
        raise Refused(f"line {number} does not add up: cap_used_after")
    if line["action_id"] not in action_ids(customer, line):
        raise Refused(f"line {number} is not of its action: that has another id")


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
