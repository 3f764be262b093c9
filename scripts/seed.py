"""Send realistic leads to POST /leads (`make seed`).

Invariant: the same seed and number of leads give the same requests, byte for byte, on any day.
"""

import argparse
import itertools
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from faker import Faker
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from scripts.api_client import add_api_argument, api_client, json_of
from scripts.cli import handle_exit
from scripts.report import terminal

Lead = dict[str, Any]

MAX_BATCH = 500
STATUSES = ("created", "updated", "unchanged", "quarantined", "conflict", "invalid")
JSON = {"content-type": "application/json"}
_UNTIL = "2024-07-01"
_SPAN = timedelta(days=4 * 30)
_USERS = 2000
_TIMEZONES = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Tokyo", "Australia/Sydney")
_PRODUCTS = 8
_OFFSETS = ("Z", "Z", "Z", "Z", "+02:00", "-05:00", "+05:30")
_INVALID_SHARE = 0.02
_RETRIED_SHARE = 0.03
_GROWN_SHARE = 0.03
_CONFLICTING_SHARE = 0.002

# The actions of each lead type: (action type, engagement level, weight).
_ACTIONS: dict[str, tuple[tuple[str, str, int], ...]] = {
    "Website Visit": (
        ("Page View", "Low", 6),
        ("Video Watched", "Medium", 2),
        ("Form Submission", "High", 2),
    ),
    "Social Media": (("Like", "Low", 6), ("Share", "Medium", 3), ("Direct Message", "High", 1)),
    "Email Campaign": (("Email Open", "Low", 6), ("Link Click", "Medium", 3), ("Reply", "High", 1)),
    "Referral": (("Referral Link Click", "Medium", 3), ("Sign Up", "High", 2)),
    "Webinar": (("Registration", "Medium", 3), ("Attendance", "High", 2), ("Replay", "Low", 1)),
    "Event": (("Badge Scan", "Low", 3), ("Booth Conversation", "High", 2)),
    "Demo Request": (("Demo Booked", "High", 3), ("Calendar Reschedule", "Low", 1)),
    "Trade Show": (("Badge Scan", "Low", 3), ("Brochure Taken", "Medium", 2)),
    "Conference": (("Talk Attended", "Medium", 3), ("Speaker Question", "High", 1)),
    "Newsletter": (("Subscription", "Medium", 2), ("Article Read", "Low", 5)),
    "Feedback": (("Survey Answer", "Medium", 3), ("Testimonial", "High", 1)),
}
_LEAD_TYPE_WEIGHTS = (30, 18, 16, 6, 6, 5, 6, 3, 3, 5, 2)


@dataclass(frozen=True)
class Campaign:
    """The output of one seed: customers, products, and the batches in order."""

    customers: dict[str, dict[str, str]]
    products: dict[str, dict[str, str]]
    batches: list[list[Lead]]

    def bodies(self) -> Iterator[bytes]:
        return (json.dumps(batch, separators=(",", ":")).encode() for batch in self.batches)


def campaign(seed: int, leads: int, until: datetime) -> Campaign:
    """`leads` different leads from the four months before `until`, and repeats as senders make."""
    chance = random.Random(seed)  # noqa: S311 (invented data)
    fake = Faker()
    fake.seed_instance(seed)
    customers = {
        f"seed-{seed}-customer-{number}": {
            "name": fake.company(),
            "email": f"billing-{number}@seed-{seed}.example",
            "timezone": timezone,
        }
        for number, timezone in enumerate(_TIMEZONES, 1)
    }
    products = {
        f"seed-{seed}-product-{number}": {
            "name": fake.catch_phrase(),
            "description": fake.bs().capitalize(),
        }
        for number in range(1, _PRODUCTS + 1)
    }
    users = [_user(chance, fake, number) for number in range(_USERS)]
    popularity = list(itertools.accumulate(1 / rank for rank in range(1, _USERS + 1)))
    unsent = (
        _lead(
            chance,
            customer_id=chance.choice(list(customers)),
            product_id=chance.choice(list(products)),
            user=chance.choices(users, cum_weights=popularity)[0],
            until=until,
        )
        for _ in range(leads)
    )
    return Campaign(customers, products, list(_batches(chance, unsent, list(products))))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.seed", description=__doc__)
    parser.add_argument("--leads", type=_count, default=2000, help="number of leads (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="random seed (%(default)s)")
    parser.add_argument(
        "--until", type=_day, default=_UNTIL, help="the day after the last lead (%(default)s)"
    )
    add_api_argument(parser)
    args = parser.parse_args()
    with handle_exit():
        _send(campaign(args.seed, args.leads, args.until), args.api)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of leads")
    return int(text)


def _day(text: str) -> datetime:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return day - _SPAN + _SPAN
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like {_UNTIL}") from error


def _send(leads: Campaign, api: str) -> None:
    console = terminal()
    counts: Counter[str] = Counter()
    customers, products = leads.customers, leads.products
    with api_client(api) as client:
        console.print(f"Registering {len(customers)} customers, {len(products)} products")
        for noun, entries in (("customers", customers), ("products", products)):
            for identifier, entry in entries.items():
                json_of(client.put(f"/{noun}/{identifier}", json=entry))
        columns = (
            TextColumn("Sending leads"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        began = time.monotonic()
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("leads", total=sum(map(len, leads.batches)))
            for batch, body in zip(leads.batches, leads.bodies(), strict=True):
                answer = json_of(client.post("/leads", content=body, headers=JSON))
                counts.update({status: answer[status] for status in STATUSES})
                progress.advance(task, len(batch))
        seconds = time.monotonic() - began
    table = Table(title=f"{counts.total()} leads in {seconds:.1f} s", title_justify="left")
    for status in (*STATUSES, "leads/s"):
        table.add_column(status, justify="right")
    table.add_row(*(str(counts[status]) for status in STATUSES), f"{counts.total() / seconds:,.0f}")
    console.print(table)


def _user(chance: random.Random, fake: Faker, number: int) -> dict[str, str] | None:
    draw = chance.random()
    if draw < 0.85:
        first, last = fake.first_name(), fake.last_name()
        return {"email": f"{first}.{last}.{number}@{fake.safe_domain_name()}".lower()}
    if draw < 0.92:
        return {"phone": f"+1 555 {number:07d}"}
    if draw < 0.97:
        return {"external_id": f"crm-{number:06d}"}
    return None


def _lead(
    chance: random.Random,
    customer_id: str,
    product_id: str,
    user: dict[str, str] | None,
    until: datetime,
) -> Lead:
    created_at = until - _SPAN * chance.random()
    lead_type = chance.choices(list(_ACTIONS), weights=_LEAD_TYPE_WEIGHTS)[0]
    lead: Lead = {
        "lead_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "customer_id": customer_id,
        "product_id": product_id,
        "lead_type": lead_type,
        "created_at": _timestamp(created_at, "Z"),
        "actions": list(_actions(chance, lead_type, created_at, until)),
    }
    if user is not None:
        lead["user"] = user
    return lead


def _actions(
    chance: random.Random, lead_type: str, created_at: datetime, until: datetime
) -> Iterator[dict[str, str]]:
    kinds = _ACTIONS[lead_type]
    at = created_at
    for _ in range(chance.choices(range(7), weights=(1, 6, 8, 5, 3, 2, 1))[0]):
        at = min(at + timedelta(minutes=chance.expovariate(1 / 90)), until)
        action_type, level, _ = chance.choices(kinds, weights=[kind[2] for kind in kinds])[0]
        yield {
            "action_type": action_type,
            "timestamp": _timestamp(at, chance.choice(_OFFSETS)),
            "engagement_level": level,
        }


def _batches(
    chance: random.Random, leads: Iterable[Lead], products: list[str]
) -> Iterator[list[Lead]]:
    """The leads as a sender posts them; a repeat is in the batch after the first attempt."""
    remaining = iter(leads)
    repeats: list[Lead] = []
    while True:
        batch, repeats = repeats, []
        for lead in itertools.islice(remaining, MAX_BATCH - len(batch)):
            first, repeat = _attempts(chance, lead, products)
            batch.append(first)
            if repeat is not None:
                repeats.append(repeat)
        if not batch:
            return
        yield batch


def _attempts(chance: random.Random, lead: Lead, products: list[str]) -> tuple[Lead, Lead | None]:
    """The lead as it is sent first, and as it is sent again; None if it is sent once."""
    other_product = chance.choice(
        [product for product in products if product != lead["product_id"]]
    )
    cases = (
        (_INVALID_SHARE, (_invalid(chance, lead), None)),
        (_RETRIED_SHARE, (lead, lead)),
        (_GROWN_SHARE, ({**lead, "actions": lead["actions"][:-1]}, lead)),
        (_CONFLICTING_SHARE, (lead, {**lead, "product_id": other_product})),
    )
    draw = chance.random()
    for share, attempts in cases:
        if draw < share:
            return attempts
        draw -= share
    return lead, None


def _invalid(chance: random.Random, lead: Lead) -> Lead:
    """The lead with one of the mistakes that senders make."""
    action = {"action_type": "Page View", "timestamp": lead["created_at"]}
    mistake = chance.choice(
        [
            {"lead_type": "Carrier Pigeon"},
            {"created_at": lead["created_at"].removesuffix("Z")},
            {"customer_id": "seed-unknown-customer"},
            {"product_id": "seed-unknown-product"},
            {"product_id": None},
            {"actions": [*lead["actions"], action | {"engagement_level": "Very High"}]},
        ]
    )
    return {name: value for name, value in (lead | mistake).items() if value is not None}


def _timestamp(moment: datetime, offset: str) -> str:
    if offset == "Z":
        return f"{moment:%Y-%m-%dT%H:%M:%S}Z"
    local = moment.astimezone(datetime.strptime(offset, "%z").tzinfo)
    return local.isoformat(timespec="seconds")


if __name__ == "__main__":
    main()
