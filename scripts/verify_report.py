"""Checks downloaded final reports offline: their hashes, their sums and the chain between them.

    python verify_report.py april.json may.json ...
    python verify_report.py april.json april-lines-2.json april-leads-2.json ...
    python verify_report.py FOLDER_OR_ZIP
    python verify_report.py --url https://.../billing/reports/acme/2024-04

Needs Python 3.11 or newer and nothing else: no package, no part of this project, and no network but
for --url. A report with more than 1,000 lines, or more than 100 users or leads, has pages: their
files come behind the report's own, in order. --url fetches a report with its pages, with the key of
API_KEY, and --save keeps all of it in one file.

    --key KEY       every report must be signed with it: a JWK, a JWKS, or 32 bytes in base64;
                    a file or the text itself
    --head FILE     every report must be in this signed head, which you kept; also the answer of
                    /billing/reports/CUSTOMER/PERIOD/inclusion
    --expect HASH   a content hash that you noted, or the file of a report that you kept: the report
                    must not have been replaced since

Ends with 0 if all is verified, with 1 if something is not, and with 2 if an argument cannot be
used. docs/verification.md says what is hashed and how.
"""

import argparse
import base64
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
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

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


class Unusable(Exception):
    """Why an argument cannot be used."""


_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, help="reports as JSON, folders, zip files")
    parser.add_argument("--url", action="append", default=[], help="address of a report to fetch")
    parser.add_argument("--save", type=Path, help="file to keep the fetched report in, as a whole")
    parser.add_argument("--key", action="append", default=[], help="public key of the issuer")
    parser.add_argument("--head", action="append", default=[], type=Path, help="a head you kept")
    parser.add_argument("--expect", action="append", default=[], help="a hash or report you kept")
    args = parser.parse_args()
    if (not args.files and not args.url) or (args.save and len(args.url) != 1):
        parser.error("give files or --url; --save takes one --url")
    try:
        keys = read_keys(args.key)
        heads = [read_head(path, keys) for path in args.head]
        expected = [read_expected(text) for text in args.expect]
    except Unusable as unusable:
        print(f"error: {unusable}", file=sys.stderr)
        sys.exit(2)
    check = _Check(keys, heads, expected)
    for report in check.from_files(args.files):
        check.report(*report)
    for url in args.url:
        check.fetched(url, args.save)
    check.finish()
    if check.problems:
        sys.exit(1)
    if not keys:
        print("no signature was checked: give the issuer's public key with --key")


class _Seen(NamedTuple):
    """What stays in memory of a report."""

    name: str
    customer_id: str
    period: str
    finalized_at: str
    content_hash: str
    previous_hash: str | None


class Head(NamedTuple):
    """A signed head: how many reports it holds, and the root over them."""

    number: int
    made_at: str
    report_count: int
    root: bytes
    statement: str


class Inclusion(NamedTuple):
    """The proof that a head holds a report."""

    customer_id: str
    period: str
    content_hash: str
    leaf_index: int
    facts_hash: str
    path: list[bytes]
    head: Head

    def holds(self, content_hash: str) -> bool:
        content = ["lead-billing-leaf/1", self.customer_id, self.period, content_hash]
        leaf = hashlib.sha256(b"\x00" + canonical([*content, self.facts_hash])).digest()
        return root_from(leaf, self.leaf_index, self.head.report_count, self.path) == self.head.root


class KeptHead(NamedTuple):
    """A head that was kept, with the proof that came with it, if one did."""

    head: Head
    proof: Inclusion | None


class Expected(NamedTuple):
    """A content hash that was noted; of a kept report, with its customer and period."""

    content_hash: str
    customer_id: str | None = None
    period: str | None = None


@dataclass
class _Check:
    """One run: what is known beforehand, what was seen, and what is wrong."""

    keys: dict[str, bytes]
    heads: list[KeptHead]
    expected: list[Expected]
    problems: int = 0
    seen: list[_Seen] = field(default_factory=list)
    inclusions: dict[tuple[str, str], list[Inclusion]] = field(default_factory=dict)
    steps: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)

    def refuse(self, reason: object) -> None:
        self.problems += 1
        print(f"NOT verified: {reason}", file=sys.stderr)

    def from_files(self, paths: list[Path]) -> Iterator[tuple[str, "_Report"]]:
        """The reports of the files, each with the pages that come behind it."""
        name, report = "", None
        for file, read in _files(paths):
            try:
                document = read()
                if "data" in document:
                    if report is None:
                        raise Refused("this is a page: name the file of its report before it")
                    add_page(report, document)
                elif not self.is_proof(document):
                    if report is not None:
                        yield name, report
                    name, report = file, document
            except (OSError, zipfile.BadZipFile) as error:
                self.refuse(f"{file}: {getattr(error, 'strerror', None) or error}")
            except _UNREADABLE as error:
                self.refuse(_no_report(file, error))
            except Refused as refused:
                self.refuse(f"{file}: {refused}")
        if report is not None:
            yield name, report

    def is_proof(self, document: dict[str, Any]) -> bool:
        """Keeps a document that stands beside reports: a proof, a head or keys."""
        if "leaf_index" in document:
            proof = inclusion_of(document, self.keys)
            self.inclusions.setdefault((proof.customer_id, proof.period), []).append(proof)
        elif "earlier" in document:
            earlier, later = (head_of(document[each], self.keys) for each in ("earlier", "later"))
            path = [bytes.fromhex(each) for each in document["path"]]
            if not is_consistent(earlier, later, path):
                raise Refused(f"head {later.number} does not go on with head {earlier.number}")
            self.steps[earlier.statement, later.statement] = path
        else:
            return "keys" in document or "statement" in document
        return True

    def report(self, name: str, report: "_Report") -> None:
        try:
            check_report(report)
            signer = ""
            if self.keys:
                kid = check_signature(report["signature"], report_statement(report), self.keys)
                signer = f", signed with {kid}"
            print(
                f"{name}: verified: {report['customer_id']}, {report['period']}, due "
                f"{report['due']} {report['totals']['currency']}, {len(report['lines'])} lines, "
                f"{report['content_hash']}{signer}"
            )
            members = _Seen._fields[1:]
            self.seen.append(_Seen(name, **{member: report[member] for member in members}))
        except _UNREADABLE as error:
            self.refuse(_no_report(name, error))
        except Refused as refused:
            self.refuse(f"{name}: {refused}")

    def fetched(self, url: str, save: Path | None) -> None:
        try:
            report = _fetched(url)
            for kept in self.heads:
                if proof := _get(f"{_address(url)}/inclusion?head={kept.head.number}", (422,)):
                    self.is_proof(proof)
        except OSError as error:
            return self.refuse(f"{url}: {error}")
        except _UNREADABLE as error:
            return self.refuse(_no_report(url, error))
        except Refused as refused:
            return self.refuse(f"{url}: {refused}")
        before = self.problems
        self.report(url, report)
        if save and self.problems == before:
            save.write_text(json.dumps(report), encoding="utf-8")
        return None

    def finish(self) -> None:
        """What takes more than one report: replaced ones, chains and heads."""
        for check in (self._expectations, self._chains, self._heads):
            for problem in check():
                self.refuse(problem)

    def _expectations(self) -> Iterator[str]:
        hashes = {each.content_hash for each in self.seen}
        by_month: dict[tuple[str, str], _Seen] = {}
        for each in self.seen:
            other = by_month.setdefault((each.customer_id, each.period), each)
            if other.content_hash != each.content_hash:
                yield f"{each.name} and {other.name} are two reports of one month: one was replaced"
        for known in self.expected:
            if known.content_hash in hashes:
                continue
            now = by_month.get((known.customer_id or "", known.period or ""))
            if known.customer_id is None and len(self.seen) == 1:
                now = self.seen[0]
            if now is not None:
                yield _replaced(now, f"you noted {known.content_hash}")
            else:
                yield (
                    f"no report here has the hash {known.content_hash}: "
                    "the one that had it was replaced, or is missing"
                )

    def _chains(self) -> Iterator[str]:
        for customer in sorted({each.customer_id for each in self.seen}):
            chain = [each._asdict() for each in self.seen if each.customer_id == customer]
            try:
                check_chain(chain)
            except Refused as refused:
                yield str(refused)
            else:
                if len(chain) > 1:
                    print(f"{customer}: a chain of {len(chain)} reports holds")

    def _heads(self) -> Iterator[str]:
        for kept in self.heads:
            for each in self.seen:
                try:
                    print(f"{each.name}: {self._place_in(kept, each)}")
                except Refused as refused:
                    yield f"{each.name}: {refused}"

    def _place_in(self, kept: KeptHead, report: _Seen) -> str:
        """Says that a kept head holds a report, or is older. Raises Refused."""
        head, own = kept.head, kept.proof
        if own and (own.customer_id, own.period) == (report.customer_id, report.period):
            if own.content_hash != report.content_hash:
                said = f"head {head.number} holds {own.content_hash}"
                raise Refused(_replaced(report, said))
            return f"head {head.number} holds it"
        proofs = self.inclusions.get((report.customer_id, report.period), [])
        if not proofs:
            if _moment(report.finalized_at) > _moment(head.made_at):
                return f"was closed after head {head.number} was made"
            where = f"/billing/reports/.../inclusion?head={head.number}"
            raise Refused(f"nothing proves that head {head.number} holds it: add {where}")
        reasons = []
        for proof in proofs:
            try:
                return self._proved(head, report, proof)
            except Refused as refused:
                reasons.append(refused)
        raise reasons[0]

    def _proved(self, head: Head, report: _Seen, proof: Inclusion) -> str:
        if not proof.holds(report.content_hash):
            said = f"head {proof.head.number} holds {proof.content_hash}"
            raise Refused(_replaced(report, said))
        there = (head.number, proof.head.number)
        if proof.head.statement != head.statement:
            if there[0] == there[1]:
                raise Refused(f"head {head.number} is not the one you kept: history was rewritten")
            first, last = sorted((head, proof.head))
            if (first.statement, last.statement) not in self.steps:
                query = f"from={first.number}&to={last.number}"
                raise Refused(
                    f"nothing proves that head {last.number} goes on with head {first.number}: "
                    f"add /billing/heads/consistency?{query}"
                )
        if proof.leaf_index < head.report_count:
            return f"head {head.number} holds it"
        if _moment(report.finalized_at) <= _moment(head.made_at):
            raise Refused(f"it was closed before head {head.number}, which does not hold it")
        return f"was closed after head {head.number} was made"


def _replaced(report: _Seen, known: str) -> str:
    return (
        f"the report of {report.customer_id}, {report.period} was replaced since: {known}, "
        f"and it has {report.content_hash} now"
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


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


def _files(paths: list[Path]) -> Iterator[tuple[str, Callable[[], _Report]]]:
    """Every JSON file among the paths, in folders and in zip files, with how to read it."""
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*.json")):
                yield str(file), partial(_read, file)
        elif path.is_file() and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as package:
                for name in sorted(package.namelist()):
                    if name.endswith(".json"):
                        yield f"{path}/{name}", partial(_read_member, package, name)
        else:
            yield str(path), partial(_read, path)


def _read(file: Path) -> _Report:
    document: _Report = json.loads(file.read_bytes())
    return document


def _read_member(package: zipfile.ZipFile, name: str) -> _Report:
    document: _Report = json.loads(package.read(name))
    return document


def _address(url: str) -> str:
    return url.rstrip("/").removesuffix(".json")


def _fetched(url: str) -> _Report:
    """The report at an address, with all of its pages."""
    report = _get(_address(url)) or {}
    while following := next_page(report):
        kind, cursor = following
        query = urllib.parse.urlencode({"cursor": cursor})
        add_page(report, _get(f"{_address(url)}/{kind}?{query}") or {})
    return report


def _get(url: str, without: tuple[int, ...] = ()) -> _Report | None:
    """None for an answer of a status in `without`."""
    if not url.startswith(("http://", "https://")):
        raise Refused("this is no http address")
    headers = {"Accept": "application/json"}
    if key := os.environ.get("API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (http, as checked above)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            document: _Report = json.load(answer)
            return document
    except urllib.error.HTTPError as error:
        if error.code in without:
            return None
        raise


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


def report_statement(report: _Report) -> bytes:
    """What the signature of a report is over."""
    members = ("issuer", "customer_id", "period", "number", "content_hash")
    return canonical(["lead-billing-signature/1", *(report[member] for member in members)])


def check_signature(signature: str | None, payload: bytes, keys: dict[str, bytes]) -> str:
    """Raises Refused unless a detached JWS is over the payload, by one of the keys: returns it."""
    if signature is None:
        raise Refused("it is not signed")
    try:
        header, between, signed = signature.split(".")
        kid = json.loads(_from_base64(header))["kid"]
        is_known_form = not between and json.loads(_from_base64(header)) == {
            "alg": "Ed25519",
            "kid": kid,
        }
        content = f"{header}.{_to_base64(payload)}".encode()
        signed_bytes = _from_base64(signed)
    except _UNREADABLE as error:
        raise Refused("its signature cannot be read") from error
    if kid not in keys:
        raise Refused(f"it is signed with the key {kid}, which is none of yours")
    if not is_known_form or not is_signed(keys[kid], content, signed_bytes):
        raise Refused("its signature is not over what it says")
    return str(kid)


def read_keys(texts: list[str]) -> dict[str, bytes]:
    """The public keys of the texts, or of the files that they name, by thumbprint (RFC 7638)."""
    keys = {}
    for text in texts:
        content = _content_of(text)
        try:
            document = json.loads(content) if content.lstrip()[:1] == "{" else {"x": content}
            for jwk in document.get("keys", [document]):
                if (jwk.get("kty", "OKP"), jwk.get("crv", "Ed25519")) != ("OKP", "Ed25519"):
                    raise ValueError("it is of another kind")
                raw = _from_base64(jwk["x"].strip())
                if len(raw) != 32 or _point_of(raw) is None:
                    raise ValueError("it is no point of the curve")
                keys[_key_id(raw)] = raw
        except _UNREADABLE as error:
            raise Unusable(f"--key {text}: this is no Ed25519 public key ({error})") from error
    return keys


def _content_of(text: str) -> str:
    try:
        return Path(text).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return text


def _key_id(raw: bytes) -> str:
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{_to_base64(raw)}"}}'
    return _to_base64(hashlib.sha256(members.encode()).digest())


def _to_base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _from_base64(text: str) -> bytes:
    plain = text.replace("+", "-").replace("/", "_").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), b"-_", validate=True)


def read_head(path: Path, keys: dict[str, bytes]) -> KeptHead:
    """A head as the API gives it, as the second place keeps it, or in a proof of inclusion."""
    try:
        document = json.loads(path.read_bytes())
        if "leaf_index" in document:
            proof = inclusion_of(document, keys)
            if not proof.holds(proof.content_hash):
                raise Refused("it does not prove what it says")
            return KeptHead(proof.head, proof)
        return KeptHead(head_of(document, keys), None)
    except OSError as error:
        raise Unusable(f"--head {path}: {error.strerror}") from error
    except (*_UNREADABLE, Refused) as error:
        raise Unusable(f"--head {path}: this is no signed head ({error})") from error


def head_of(document: dict[str, Any], keys: dict[str, bytes]) -> Head:
    """Raises Refused for a head that is signed with none of the keys, if there are any."""
    statement = document["statement"]
    said = json.loads(statement)
    if said["type"] != "lead-billing-head/1":
        raise ValueError("it is of another kind")
    if keys:
        try:
            check_signature(document["signature"], statement.encode(), keys)
        except Refused as refused:
            raise Refused(f"head {said['head']}: {refused}") from None
    reports = said["reports"]
    root = bytes.fromhex(reports["root"])
    return Head(said["head"], said["made_at"], reports["count"], root, statement)


def inclusion_of(document: dict[str, Any], keys: dict[str, bytes]) -> Inclusion:
    return Inclusion(
        document["customer_id"],
        document["period"],
        document["content_hash"],
        document["leaf_index"],
        document["facts_hash"],
        [bytes.fromhex(each) for each in document["path"]],
        head_of(document["head"], keys),
    )


def read_expected(text: str) -> Expected:
    """A content hash, or that of a kept report."""
    if re.fullmatch("[0-9a-f]{64}", text.lower()):
        return Expected(text.lower())
    try:
        report = json.loads(Path(text).read_bytes())
        return Expected(report["content_hash"], report["customer_id"], report["period"])
    except OSError as error:
        raise Unusable(f"--expect {text}: neither 64 hex digits nor a file") from error
    except _UNREADABLE as error:
        raise Unusable(f"--expect {text}: this is no report ({error})") from error


def root_from(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that a path leads to from a leaf (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    hashed, place, last = leaf, index, size - 1
    for each in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            hashed = _node(each, hashed)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            hashed = _node(hashed, each)
        place, last = place >> 1, last >> 1
    return hashed if last == 0 else None


def is_consistent(earlier: Head, later: Head, path: list[bytes]) -> bool:
    """Whether a later head goes on with what an earlier one holds (RFC 9162, 2.1.4.2)."""
    if earlier.report_count == later.report_count:
        return not path and earlier.root == later.root
    if earlier.report_count == 0:
        return not path
    if earlier.report_count > later.report_count or not path:
        return False
    path = path if earlier.report_count & (earlier.report_count - 1) else [earlier.root, *path]
    place, last = earlier.report_count - 1, later.report_count - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = _node(each, old), _node(each, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = _node(new, each)
        place, last = place >> 1, last >> 1
    return last == 0 and (old, new) == (earlier.root, later.root)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


# Ed25519 (RFC 8032, 5.1). Nothing here is secret, so that it is slow and takes longer for some
# numbers does no harm. A point is (X, Y, Z, T) with x = X/Z, y = Y/Z and x * y = T/Z.
_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_Point = tuple[int, int, int, int]


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature is the key's, over the message."""
    if len(key) != 32 or len(signature) != 64:
        return False
    public, commitment = _point_of(key), _point_of(signature[:32])
    factor = int.from_bytes(signature[32:], "little")
    if public is None or commitment is None or factor >= _ORDER:
        return False
    hashed = hashlib.sha512(signature[:32] + key + message).digest()
    challenge = int.from_bytes(hashed, "little") % _ORDER
    base = _point_of(bytes([0x58]) + b"\x66" * 31)
    if base is None:
        return False
    left, right = _times(factor, base), _sum(commitment, _times(challenge, public))
    return all((left[i] * right[2] - right[i] * left[2]) % _P == 0 for i in (0, 1))


def _point_of(encoded: bytes) -> _Point | None:
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _sum(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _sum(total, point)
        point, factor = _sum(point, point), factor >> 1
    return total


if __name__ == "__main__":
    main()
