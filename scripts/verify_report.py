"""Checks downloaded final reports offline: their hashes, their sums and the chain between them.

    python verify_report.py april.json may.json ...
    python verify_report.py april.json april-lines-2.json april-leads-2.json ...
    python verify_report.py --url https://.../billing/reports/acme/2024-04

Needs Python 3.11 or newer and nothing else: no package, no part of this project, and no network but
for --url. A report with more than 1,000 lines, or more than 100 users or leads, has pages: their
files come behind the report's own, in order. --url fetches a report with its pages, with the key of
API_KEY, and --save keeps all of it in one file. docs/verification.md says what is hashed and how.
"""

import argparse
import hashlib
import json
import os
import re
import struct
import sys
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
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

_ASCII = re.compile(r"[ -~]*")
_SHOWS_NOTHING = re.compile(  # as common/normalization.py has it
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


class Refused(Exception):
    """Why a file is not the report that was closed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument(
        "files", nargs="*", type=Path, help="reports as JSON, each before its pages"
    )
    parser.add_argument("--url", action="append", default=[], help="address of a report to fetch")
    parser.add_argument("--save", type=Path, help="file to keep the fetched report in, as a whole")
    args = parser.parse_args()
    if (not args.files and not args.url) or (args.save and len(args.url) != 1):
        parser.error("give files or --url; --save takes one --url")
    try:
        sources = [*_from_files(args.files), *((url, _fetched(url)) for url in args.url)]
        for name, report in sources:
            _verify(name, report)
        for customer in sorted({report["customer_id"] for _, report in sources}):
            chain = [each for _, each in sources if each["customer_id"] == customer]
            check_chain(chain)
            if len(chain) > 1:
                print(f"{customer}: a chain of {len(chain)} reports holds")
        if args.save:
            args.save.write_text(json.dumps(sources[-1][1]), encoding="utf-8")
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
    key = folded(line["action_type"])
    since_2000 = datetime.fromisoformat(line["timestamp"]) - datetime(2000, 1, 1, tzinfo=UTC)
    content = lead_id(customer, line["lead_id"]).bytes
    content += struct.pack(">q", since_2000 // timedelta(microseconds=1))
    content += line["engagement_level"].encode()
    for occurrence in range(1, _MAX_OCCURRENCES + 1):
        hashed = hashlib.sha256(content + struct.pack(">i", occurrence) + key.encode())
        yield str(uuid.UUID(bytes=hashed.digest()[:16]))


def folded(text: str) -> str:
    """An action type as it is compared: NFKC, visible, spaces and case folded."""
    if not _ASCII.fullmatch(text):
        text = unicodedata.normalize("NFKC", _SHOWS_NOTHING.sub("", text))
        text = unicodedata.normalize("NFKC", _SHOWS_NOTHING.sub("", text.casefold()))
    return " ".join(text.split()).casefold()


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
        report["document_type"],
        report["number"],
        report["issue_date"],
        report["payment_terms_days"],
        report["due_date"],
        report["issuer_address"],
        report["issuer_tax_id"],
        report["customer_address"],
        report["customer_tax_id"],
        [
            [each["product_id"], each["lead_type"], each["engagement_level"], cents(each["amount"])]
            for each in report["unit_prices"]
        ],
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


_Report = dict[str, Any]


def _from_files(files: list[Path]) -> list[tuple[str, _Report]]:
    """The reports of the files, each with the pages that come behind it."""
    reports: list[tuple[str, _Report]] = []
    for file in files:
        try:
            document = json.loads(file.read_bytes())
            if "data" not in document:
                reports.append((str(file), document))
            elif reports:
                add_page(reports[-1][1], document)
            else:
                raise Refused(f"{file}: this is a page: name the file of its report before it")
        except OSError as error:
            raise Refused(f"{file}: {error.strerror}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Refused(_no_report(str(file), error)) from error
    return reports


def _fetched(url: str) -> _Report:
    """The report at an address, with all of its pages."""
    address = url.rstrip("/").removesuffix(".json")
    try:
        report = _get(address)
        while following := next_page(report):
            kind, cursor = following
            query = urllib.parse.urlencode({"cursor": cursor})
            add_page(report, _get(f"{address}/{kind}?{query}"))
    except OSError as error:
        raise Refused(f"{url}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(_no_report(url, error)) from error
    return report


def _get(url: str) -> _Report:
    if not url.startswith(("http://", "https://")):
        raise Refused(f"{url}: this is no http address")
    headers = {"Accept": "application/json"}
    if key := os.environ.get("API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (http, as checked above)
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        document: _Report = json.load(answer)
        return document


def next_page(report: _Report) -> tuple[str, str] | None:
    """The list that goes on, by the last part of its address, and the cursor of its next page."""
    for kind, (holder, _, cursor) in _lists_of(report).items():
        if holder[cursor] is not None:
            return kind, holder[cursor]
    return None


def _lists_of(report: _Report) -> dict[str, tuple[_Report, str, str]]:
    """By the last part of their address: what holds a list that has pages, its name, its cursor."""
    return {
        "lines": (report, "lines", "next_cursor"),
        "prior-lines": (report["prior_period"], "lines", "next_cursor"),
        "users": (report, "by_user", "next_users_cursor"),
        "leads": (report, "by_lead", "next_leads_cursor"),
    }


def add_page(report: _Report, page: _Report) -> None:
    """Adds a page to the list of the report that it goes on with."""
    if page["data"]:
        holder, name, cursor = _lists_of(report)[_kind_of(page["data"][0])]
        holder[name] += page["data"]
        holder[cursor] = page["next_cursor"]


def _kind_of(entry: dict[str, Any]) -> str:
    if "action_id" in entry:
        return "prior-lines" if "period" in entry else "lines"
    return "leads" if "lead_id" in entry else "users"


def _no_report(name: str, error: Exception) -> str:
    return f"{name}: this is no report of the Lead Billing Engine ({error})"


def _verify(name: str, report: _Report) -> None:
    try:
        check_report(report)
        print(
            f"{name}: verified: {report['customer_id']}, {report['period']}, due {report['due']} "
            f"{report['totals']['currency']}, {len(report['lines'])} lines, "
            f"{report['content_hash']}"
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(_no_report(name, error)) from error
    except Refused as refused:
        raise Refused(f"{name}: {refused}") from None


def check_report(report: dict[str, Any]) -> None:
    """Raises Refused unless a report with all of its pages is the one that was closed."""
    if report["status"] != "final":
        raise Refused(f"it is a {report['status']}: only a final report has a hash")
    if report["content_hash"] is None:
        raise Refused("its month was closed along with a later one, without a report of its own")
    if report["hash_version"] != _HASH_VERSION:
        raise Refused(f"its hash is of version {report['hash_version']}: use a newer script")
    if following := next_page(report):
        raise Refused(f"it goes on: add the pages of /{following[0]}, or use --url")
    if len(report["lines"]) < report["totals"]["actions"]:
        raise Refused("not all lines are in it: add the pages of /lines, or use --url")
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
    _check_own_credits(report)
    billed = cents(report["totals"]["billed"]) + cents(prior["totals"]["billed"])
    if cents(report["due"]) != billed + cents(credits["total"]):
        raise Refused("what is due is not what was billed, with its credits")
    terms = timedelta(days=report["payment_terms_days"])
    if date.fromisoformat(report["due_date"]) != date.fromisoformat(report["issue_date"]) + terms:
        raise Refused("its due date is not its issue date and its payment terms")
    found = content_hash(report)
    if found != report["content_hash"]:
        raise Refused(f"its hash is {report['content_hash']}, but what it holds gives {found}")


def _check_own_credits(report: dict[str, Any]) -> None:
    """A credit of a line of the same report gives back what that line billed."""
    lines = report["lines"] + report["prior_period"]["lines"]
    for number, credit in enumerate(report["credits"]["lines"], start=1):
        if credit["report_period"] != report["period"]:
            continue
        place = credit["line_number"]
        line = lines[place - 1] if 0 < place <= len(lines) else None
        named = line and (line["lead_id"], line["action_id"], -cents(line["billed"]))
        if named != (credit["lead_id"], credit["action_id"], cents(credit["amount"])):
            raise Refused(f"credit {number} is not of line {place}, or not what that line billed")


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


def check_chain(reports: list[dict[str, Any]]) -> None:
    """Each report names the hash of the customer's report before it."""
    chain = sorted(reports, key=lambda report: str(report["period"]))
    for earlier, later in pairwise(chain):
        if later["previous_hash"] != earlier["content_hash"]:
            raise Refused(
                f"the chain of {later['customer_id']} is broken: {later['period']} does not follow "
                f"{earlier['period']}; a report is missing between them, or was made anew"
            )


if __name__ == "__main__":
    main()
