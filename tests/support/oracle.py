"""The billing rules once more, in plain Python: what the SQL is held against.

Invariant: nothing here comes from the product's code, so that one mistake is not made twice.
Leads go in as they are posted; every action comes out with its price and outcome.
"""

import re
import unicodedata
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

LEVELS = ("High", "Medium", "Low")
CUSTOMER_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:lead-billing:customer")

Action = tuple[str, str, datetime, int]  # folded type, level, timestamp, occurrence


@dataclass(frozen=True)
class Rate:
    """One price of a card; without product or lead type it is for any."""

    level: str
    cents: int
    product_id: str | None = None
    lead_type: str | None = None


@dataclass(frozen=True)
class Card:
    """A version of a rate card; the default one has no customer."""

    rates: tuple[Rate, ...]
    customer_id: str | None = None
    version: int = 1
    valid_from: date = date(1, 1, 1)
    cap_cents: int = 10_000
    cap_scope: str = "user"
    duplicates_charged_for: tuple[str, ...] = ()
    follows_default: bool = False


DEFAULT_CARD = Card((Rate("High", 1000), Rate("Medium", 500), Rate("Low", 200)))


@dataclass(frozen=True)
class Line:
    """One action and its price and outcome. Amounts in cents."""

    lead_id: str
    product_id: str
    lead_type: str
    action: Action
    gross: int
    billed: int
    duplicate: int
    cap: int
    cap_used_before: int
    outcome: str
    duplicate_of: tuple[str, Action] | None
    rate: str = "level"


Bills = dict[tuple[str, date], list[Line]]


@dataclass(frozen=True)
class Event:
    lead: Mapping[str, Any]
    lead_uuid: uuid.UUID
    user: tuple[str, str]
    action: Action

    def canonical(self) -> tuple[Any, ...]:
        """Rule 5: time, the lead's creation, its UUID, then type, level and occurrence."""
        key, level, timestamp, occurrence = self.action
        created = instant(self.lead["created_at"])
        return timestamp, created, self.lead_uuid, key.encode(), LEVELS.index(level), occurrence


def bills(
    leads: Iterable[Mapping[str, Any]],
    cards: Iterable[Card] = (DEFAULT_CARD,),
    zones: Mapping[str, str] | None = None,
    *,
    user_per_lead: bool = False,
) -> Bills:
    """The lines of every customer's months, in canonical order.

    `zones`: each customer's IANA time zone, UTC unless given. `user_per_lead`: whether each lead
    that names no user has one of its own. A lead may come several times, as it may be posted.
    """
    months = defaultdict(list)
    for event in events_of(leads, user_per_lead):
        customer = event.lead["customer_id"]
        zone = ZoneInfo((zones or {}).get(customer, "UTC"))
        months[customer, billing_period_of(event.action[2], zone)].append(event)
    return {
        (customer, month): rate_actions(events, card_in_force(cards, customer, month))
        for (customer, month), events in months.items()
    }


def billing_period_of(moment: datetime, zone: ZoneInfo) -> date:
    """Rule 1. A month begins at the first instant that its zone's clocks call midnight."""
    month = moment.astimezone(zone).date().replace(day=1)
    following = next_month(month)
    return following if moment >= month_start(following, zone) else month


def month_start(month: date, zone: ZoneInfo) -> datetime:
    """fold=0: of two midnights the first; where midnight is skipped, the instant of the skip."""
    return datetime(month.year, month.month, 1, tzinfo=zone).astimezone(UTC)


def next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def card_in_force(cards: Iterable[Card], customer: str, month: date) -> Card:
    """Rule 2: the customer's own newest card that is valid by then, else the default one.

    Where the own one follows the default one, it is that.
    """
    valid = [card for card in cards if card.valid_from <= month]
    own = [card for card in valid if card.customer_id == customer]
    default = [card for card in valid if card.customer_id is None]

    def newest(some: list[Card]) -> Card:
        return max(some, key=lambda card: (card.valid_from, card.version))

    return newest(own) if own and not newest(own).follows_default else newest(default)


def price(card: Card, product: str, lead_type: str, level: str) -> tuple[int, str]:
    """Rule 2: product and lead type, then product, then lead type, then level alone.

    The price, and which of them gave it.
    """
    prices = {(r.product_id, r.lead_type): r.cents for r in card.rates if r.level == level}
    for place, kind in (
        ((product, lead_type), "product_and_lead_type"),
        ((product, None), "product"),
        ((None, lead_type), "lead_type"),
    ):
        if place in prices:
            return prices[place], kind
    return prices[None, None], "level"


_SHOWN_MARKS = (
    "ARABIC NUMBER",
    "ARABIC SIGN",
    "ARABIC FOOT",
    "ARABIC END",
    "ARABIC DISPUTED",
    "ARABIC POUND",
    "ARABIC PIASTRE",
    "SYRIAC",
    "KAITHI",
    "EGYPTIAN",
)
_HIDDEN = ("VARIATION SELECTOR", "FILLER", "GRAPHEME JOINER", "VOWEL INHERENT")
_TAGS = "\U000e0000\U000e0fff"
_RESERVED = ("\u2065", *map(chr, range(0xFFF0, 0xFFF9)))


def shows_nothing(sign: str) -> bool:
    name = unicodedata.name(sign, "")
    if unicodedata.category(sign) == "Cc":
        return not sign.isspace()
    if unicodedata.category(sign) == "Cf":
        return not name.startswith(_SHOWN_MARKS)
    return _TAGS[0] <= sign <= _TAGS[1] or sign in _RESERVED or any(w in name for w in _HIDDEN)


def visible(text: str) -> str:
    return "".join(sign for sign in text if not shows_nothing(sign))


def fold(label: str) -> str:
    """Width, spaces, case and what shows nothing folded, until nothing changes any more."""
    folded = " ".join(unicodedata.normalize("NFKC", visible(label)).casefold().split())
    return folded if folded == label else fold(folded)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def customer_uuid(customer_id: str) -> uuid.UUID:
    hyphens = [place for place, sign in enumerate(customer_id) if sign == "-"]
    if len(customer_id) == 36 and hyphens == [8, 13, 18, 23]:
        try:
            return uuid.UUID(customer_id)
        except ValueError:
            pass
    return uuid.uuid5(CUSTOMER_NAMESPACE, customer_id)


def lead_uuid(customer_id: str, lead_id: str) -> uuid.UUID:
    return uuid.uuid5(customer_uuid(customer_id), lead_id)


def actions_of(lead: Mapping[str, Any]) -> list[Action]:
    """A posted lead's actions, each with its occurrence among those that are equal."""
    counts: Counter[tuple[str, str, datetime]] = Counter()
    actions = []
    for sent in lead["actions"]:
        same = (
            fold(sent["action_type"]),
            sent["engagement_level"].capitalize(),
            instant(sent["timestamp"]),
        )
        counts[same] += 1
        actions.append((*same, counts[same]))
    return actions


def spellings(posts: Iterable[Mapping[str, Any]]) -> dict[tuple[uuid.UUID, Action], str]:
    """Rule 5: how each action is shown, however often and in whatever spelling it was posted.

    Equal actions of a lead are numbered by their spelling, and of the spellings of one the lowest
    is shown.
    """
    shown: dict[tuple[uuid.UUID, Action], str] = {}
    for lead in posts:
        own = lead_uuid(lead["customer_id"], lead["lead_id"])
        ordered = sorted(lead["actions"], key=lambda sent: str(sent["action_type"]))
        for action, sent in zip(actions_of({"actions": ordered}), ordered, strict=True):
            shown[own, action] = min(sent["action_type"], shown.get((own, action), "\U0010ffff"))
    return shown


def email(text: str) -> str:
    """An email as it is compared, or "" if it could receive no mail."""
    mailbox, *domains = unicodedata.normalize("NFC", visible(text)).strip().lower().split("@")
    labels = domains[0].split(".") if len(domains) == 1 else []
    if not mailbox or len(labels) < 2 or "" in labels or any(map(str.isspace, text.strip())):
        return ""
    ascii_labels = [
        label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in labels
    ]
    return f"{mailbox}@{'.'.join(ascii_labels)}"


def phone(text: str) -> str:
    """A phone number of no region as it is compared, or "" if it is none."""
    number = unicodedata.normalize("NFKC", visible(text)).lower().removeprefix("tel:")
    number = re.sub(r"(;ext=|ext|x).*", "", number)
    digits = "".join(str(unicodedata.digit(sign)) for sign in number if sign.isdecimal())
    starts = "".join(sign for sign in number if sign == "+" or sign.isdecimal())
    if starts.startswith("00"):
        starts, digits = "+", digits[2:]
    return "+" * starts.startswith("+") + digits if 7 <= len(digits) <= 15 else ""


def external_id(text: str) -> str:
    return unicodedata.normalize("NFC", visible(text)).strip()


def user_of(lead: Mapping[str, Any], user_per_lead: bool) -> tuple[str, str]:
    """The first usable of email, phone and external id; else the fallback user."""
    user = lead.get("user") or {}
    for kind, same in (("email", email), ("phone", phone), ("external_id", external_id)):
        if user.get(kind) is not None and (value := same(user[kind])):
            return kind, value
    if not user_per_lead:
        return "nobody", ""
    return "lead", str(lead_uuid(lead["customer_id"], lead["lead_id"]))


def events_of(leads: Iterable[Mapping[str, Any]], user_per_lead: bool) -> list[Event]:
    """Each action once, however often its lead was posted."""
    known: dict[tuple[uuid.UUID, Action], Event] = {}
    for lead in leads:
        key = lead_uuid(lead["customer_id"], lead["lead_id"])
        for action in actions_of(lead):
            event = Event(lead, key, user_of(lead, user_per_lead), action)
            known.setdefault((key, action), event)
    return list(known.values())


Stored = dict[tuple[str, str], tuple[tuple[Any, ...], set[Action]]]


def receive(
    stored: Stored,
    lead: Mapping[str, Any],
    voided: Collection[tuple[uuid.UUID, Action]] = (),
) -> str:
    """Rule 8: what a lead that arrives is, beside what is stored of its customer's lead."""
    key = lead["customer_id"], lead["lead_id"]
    content = (
        lead["product_id"],
        lead["lead_type"],
        instant(lead["created_at"]),
        user_of(lead, False),
    )
    if key not in stored:
        stored[key] = content, set(actions_of(lead))
        return "created"
    known_content, known_actions = stored[key]
    if content != known_content:
        return "conflict"
    if known_actions.issuperset(actions_of(lead)):
        own = lead_uuid(*key)
        return "voided" if any((own, act) in voided for act in actions_of(lead)) else "unchanged"
    known_actions.update(actions_of(lead))
    return "updated"


def rate_actions(
    events: list[Event], card: Card, behind: Iterable[tuple[Event, Line]] = ()
) -> list[Line]:
    """Rules 2 to 5 over one customer's month; `behind` is what of it is final already."""
    first: dict[tuple[Any, ...], Event] = {}
    used: Counter[tuple[Any, ...]] = Counter()
    for event, line in behind:
        if line.outcome != "duplicate" and (
            event.lead["lead_type"] not in card.duplicates_charged_for
        ):
            first[_repeats(event)] = event
        used[_capped(event, card)] += line.billed
    lines = []
    for event in sorted(events, key=Event.canonical):
        lead = event.lead
        _, level, _, _ = event.action
        gross, rate = price(card, lead["product_id"], lead["lead_type"], level)
        original = event
        if lead["lead_type"] not in card.duplicates_charged_for:
            original = first.setdefault(_repeats(event), event)
        capped = _capped(event, card)
        before = used[capped]
        is_duplicate = original is not event
        billed = 0 if is_duplicate else min(gross, card.cap_cents - before)
        used[capped] += billed
        lines.append(
            Line(
                lead["lead_id"],
                lead["product_id"],
                lead["lead_type"],
                event.action,
                gross,
                billed,
                gross if is_duplicate else 0,
                0 if is_duplicate else gross - billed,
                before,
                _outcome(is_duplicate, gross, billed),
                (original.lead["lead_id"], original.action) if is_duplicate else None,
                rate,
            )
        )
    return lines


def _repeats(event: Event) -> tuple[Any, ...]:
    """Rule 3: two of the same are duplicates."""
    key, level, _, _ = event.action
    return event.user, event.lead["product_id"], key, level


def _capped(event: Event, card: Card) -> tuple[Any, ...]:
    """Rule 4: what one cap is counted for."""
    if card.cap_scope == "user_and_product":
        return event.user, event.lead["product_id"]
    return (event.user,)


def _outcome(is_duplicate: bool, gross: int, billed: int) -> str:
    if is_duplicate:
        return "duplicate"
    if billed == gross:
        return "billed"
    return "partially_capped" if billed else "capped"
