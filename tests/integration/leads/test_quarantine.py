"""Quarantine: the order of a replay, replays of a filter in pieces, and dismissing."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import permutations
from uuid import UUID

import httpx
import pytest

from common.database.engine import get_engine
from common.database.transactions import transaction
from common.leads import replay as replaying
from common.leads.replay import replay_one
from common.settings import settings
from tests.support.api import Wire, action, lead, path_of, post, register, report, statuses
from tests.support.locks import wait_until_one_is_blocked

TYPES = ("Webinar", "Event", "Referral")
CUSTOMERS = {"acme": "UTC", "new": "UTC"}


def held(client: httpx.Client, **filters: str) -> list[Wire]:
    """The leads that wait, in order of arrival."""
    listed: list[Wire] = client.get("/quarantine", params=filters).json()["data"]
    return listed[::-1]


def replay_all(client: httpx.Client, **body: object) -> list[Wire]:
    """The answers of a replay, piece by piece."""
    pieces = [client.post("/quarantine/replay", json=body)]
    while (cursor := pieces[-1].json()["next_cursor"]) is not None:
        pieces.append(client.post("/quarantine/replay", json=body | {"cursor": cursor}))
    assert {piece.status_code for piece in pieces} == {200}
    return [piece.json() for piece in pieces]


def without_place(wire: Wire) -> Wire:
    """A lead without what differs between two customers."""
    kept = ("lead_id", "product_id", "lead_type", "user", "created_at")
    actions = [(act["action_type"], act["engagement_level"]) for act in wire["actions"]]
    return {name: wire[name] for name in kept} | {"actions": sorted(actions)}


def what_is_fixed(version: Wire) -> tuple[str, ...]:
    """What no later version of a lead may change."""
    fixed = ("lead_id", "product_id", "lead_type")
    return (*(version[name] for name in fixed), version["user"]["email"])


def versions_of_leads(seed: int) -> list[Wire]:
    """Versions of three leads that differ in type, user, product and actions."""
    choose = random.Random(seed)  # noqa: S311
    levels = ("High", "Medium", "Low")
    return [
        lead(
            f"l{choose.randrange(3)}",
            *(
                action(f"Call {number}", engagement_level=choose.choice(levels))
                for number in range(choose.randrange(3))
            ),
            lead_type=choose.choice(TYPES),
            user={"email": f"{choose.choice('ab')}@people.test"},
            product_id=choose.choice(["abc", "bcd"]),
        )
        for _ in range(12)
    ]


# --- the order of arrival


@pytest.mark.parametrize(
    ("seed", "limit", "in_one_request"), [(1, 1, True), (2, 3, True), (3, 3, False), (4, 500, True)]
)
def test_replay_comes_to_what_live_leads_would_have(
    api: httpx.Client, seed: int, limit: int, in_one_request: bool
) -> None:
    register(api, products="abc bcd")
    versions = versions_of_leads(seed)
    strays = [version | {"customer_id": "new"} for version in versions]
    live = [post(api, version) for version in versions]
    for batch in [strays] if in_one_request else [[stray] for stray in strays]:
        post(api, batch)
    register(api, customers=CUSTOMERS)

    replay_all(api, limit=limit)

    stored = {one["lead_id"]: one for one in api.get("/leads?customer_id=acme").json()["data"]}
    found = {one["lead_id"]: one for one in api.get("/leads?customer_id=new").json()["data"]}
    assert {name: without_place(one) for name, one in found.items()} == {
        name: without_place(one) for name, one in stored.items()
    }
    refused = [
        version for version, answer in zip(versions, live, strict=True) if answer.status_code == 409
    ]
    assert refused
    assert {what_is_fixed(one["lead"]) for one in held(api, reason="conflict")} == {
        what_is_fixed(version) for version in refused
    }
    assert held(api) == held(api, reason="conflict")


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_first_version_wins_whichever_is_replayed_first(
    acme: httpx.Client, order: tuple[int, ...]
) -> None:
    for lead_type in TYPES:
        post(acme, lead("l1", action(), customer_id="new", lead_type=lead_type))
    waiting = held(acme)
    register(acme, customers=CUSTOMERS)

    answers = [
        acme.post(f"/quarantine/{waiting[place]['quarantine_id']}/replay") for place in order
    ]

    assert acme.get("/leads/l1").json()["lead_type"] == TYPES[0]
    assert {place: answer.status_code for place, answer in zip(order, answers, strict=True)} == {
        0: 200,
        1: 409,
        2: 409,
    }
    assert [one["reason"] for one in held(acme)] == ["conflict", "conflict"]


def test_earlier_version_is_replayed_along_where_the_filter_leaves_it_out(
    api: httpx.Client,
) -> None:
    register(api, products="abc bcd")
    for product in ("abc", "bcd"):
        post(api, lead("l1", action(), customer_id="new", product_id=product))
    register(api, customers=CUSTOMERS)

    (piece,) = replay_all(api, product_id="bcd")

    assert [each["status"] for each in piece["results"]] == ["created", "conflict"]
    assert api.get("/leads/l1").json()["product_id"] == "abc"


def test_version_whose_product_is_unknown_lets_the_next_one_win_as_it_does_live(
    acme: httpx.Client,
) -> None:
    post(acme, lead("l1", action(), customer_id="new", product_id="nowhere"))
    post(acme, lead("l1", action(), customer_id="new"))
    register(acme, customers=CUSTOMERS)

    (piece,) = replay_all(acme)

    assert [each["status"] for each in piece["results"]] == ["quarantined", "created"]
    (left,) = held(acme)
    assert left["reason"] == "unknown_product"


# --- a filter, in pieces


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, {"c1", "c2", "p1", "p2"}),
        ({"customer_id": "new"}, {"c1", "c2"}),
        ({"customer_id": "acme"}, {"p1", "p2"}),
        ({"product_id": "lost"}, {"p1"}),
        ({"reason": "unknown_product"}, {"p1", "p2"}),
        ({"reason": "unknown_product", "product_id": "abc"}, set()),
        ({"lead_id": "p2"}, {"p2"}),
    ],
)
def test_filter_lists_and_replays_the_same_leads(
    acme: httpx.Client, filters: Wire, expected: set[str]
) -> None:
    post(
        acme,
        [
            lead("c1", action(), customer_id="new"),
            lead("p1", action(), product_id="lost"),
            lead("c2", action(), customer_id="new"),
            lead("p2", action(), product_id="astray"),
        ],
    )
    listed = {one["lead"]["lead_id"] for one in held(acme, **filters)}
    register(acme, customers=CUSTOMERS, products="lost astray")

    replayed = [each for piece in replay_all(acme, limit=1, **filters) for each in piece["results"]]

    stored = {one["lead_id"] for one in acme.get("/leads").json()["data"]}
    assert listed == expected
    assert stored == expected
    assert [each["lead_id"] for each in replayed] == [
        name for name in ("c1", "p1", "c2", "p2") if name in expected
    ]


def test_pieces_count_down_to_nothing_and_skip_what_stays(acme: httpx.Client) -> None:
    post(acme, [lead(f"l{number}", action(), customer_id="new") for number in range(5)])
    post(acme, lead("stays", action(), customer_id="nobody"))
    register(acme, customers=CUSTOMERS)

    pieces = replay_all(acme, limit=2)

    assert [piece["remaining"] for piece in pieces] == [4, 2, 0]
    assert sum(piece["created"] for piece in pieces) == 5
    assert sum(piece["quarantined"] for piece in pieces) == 1
    assert [one["lead"]["lead_id"] for one in held(acme)] == ["stays"]


def test_piece_ends_before_it_holds_too_many_actions(
    acme: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "MAX_ACTIONS_AT_ONCE", 3)
    counts = (2, 1, 4, 1)
    for number, count in enumerate(counts):
        actions = [action(f"Call {place}") for place in range(count)]
        post(acme, lead(f"l{number}", *actions, customer_id="new"))
    register(acme, customers=CUSTOMERS)

    pieces = replay_all(acme)

    assert [len(piece["results"]) for piece in pieces] == [2, 1, 1]
    assert sum(each["actions_added"] for piece in pieces for each in piece["results"]) == 8


@pytest.mark.parametrize(
    "body", [{"limit": 0}, {"limit": 501}, {"customer": "acme"}, {"reason": ""}, {"cursor": "x"}]
)
def test_replay_of_a_wrong_filter_is_refused(acme: httpx.Client, body: Wire) -> None:
    post(acme, lead("l1", action(), product_id="lost"))
    register(acme, products="lost")

    assert acme.post("/quarantine/replay", json=body).status_code == 422
    assert len(held(acme)) == 1


def test_two_replays_at_once_store_each_lead_once(acme: httpx.Client) -> None:
    leads = [lead(f"l{number}", action(), customer_id="new") for number in range(40)]
    post(acme, leads)
    register(acme, customers=CUSTOMERS)

    with ThreadPoolExecutor(3) as pool:
        replays = [pool.submit(replay_all, acme, limit=7) for _ in range(2)]
        again = pool.submit(post, acme, leads)
        assert [replay.result() for replay in replays]
        assert set(statuses(again.result())) <= {"created", "unchanged"}

    assert held(acme) == []
    assert report(acme, "new", "2024-04")["totals"]["gross"] == "400.00"


@pytest.mark.parametrize("is_dismissed", [True, False])
def test_whoever_waits_for_a_replay_finds_the_lead_replayed(
    acme: httpx.Client, is_dismissed: bool
) -> None:
    post(acme, lead("l1", action(), product_id="lost"))
    register(acme, products="lost")
    (entry,) = held(acme)
    address = f"/quarantine/{entry['quarantine_id']}"

    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            replay_one(session, UUID(entry["quarantine_id"]), settings(), datetime.now(UTC))
            if is_dismissed:
                waiting = pool.submit(acme.delete, address)
            else:
                waiting = pool.submit(acme.post, f"{address}/replay")
            wait_until_one_is_blocked(get_engine())
        answer = waiting.result()

    noted = acme.get("/audit?subject=quarantined_lead").json()["data"]
    assert answer.status_code == (409 if is_dismissed else 200)
    assert [one["action"] for one in noted] == ["replayed"]


# --- one lead


def test_quarantined_lead_is_shown_until_and_after_its_replay(acme: httpx.Client) -> None:
    post(acme, lead("l1", action(), product_id="lost"))
    (entry,) = held(acme)
    address = f"/quarantine/{entry['quarantine_id']}"

    before = acme.get(address).json()
    register(acme, products="lost")
    acme.post(f"{address}/replay")

    assert before == entry
    assert before["replayed_at"] is None
    assert acme.get(address).json()["replayed_at"] is not None


@pytest.mark.parametrize("address", ["/quarantine", "/leads/quarantined"])
def test_dismissed_lead_is_gone_and_noted_without_the_person(
    acme: httpx.Client, address: str
) -> None:
    post(acme, lead("l1", action(), product_id="lost", user={"email": "ann@people.test"}))
    (entry,) = held(acme)

    answer = acme.delete(f"{address}/{entry['quarantine_id']}")
    again = acme.delete(f"{address}/{entry['quarantine_id']}")

    (noted,) = acme.get("/audit?subject=quarantined_lead").json()["data"]
    assert (answer.status_code, answer.content, again.status_code) == (204, b"", 404)
    assert held(acme) == []
    assert (noted["action"], noted["before"]["lead_id"]) == ("dismissed", "l1")
    assert (noted["before"]["product_id"], noted["before"]["actions"]) == ("lost", 1)
    assert "people.test" not in json.dumps(noted)


def test_dismissed_lead_that_is_sent_again_waits_again(acme: httpx.Client) -> None:
    """A sender that is told `quarantined` can rely on the lead being kept."""
    sent = lead("l1", action(), product_id="lost")
    post(acme, sent)
    (entry,) = held(acme)
    acme.delete(f"/quarantine/{entry['quarantine_id']}")

    answer = post(acme, sent)

    assert statuses(answer) == ["quarantined"]
    assert len(held(acme)) == 1


def test_conflict_is_dismissed_and_the_stored_lead_stays(acme: httpx.Client) -> None:
    for lead_type in TYPES[:2]:
        post(acme, lead("l1", action(), customer_id="new", lead_type=lead_type))
    register(acme, customers=CUSTOMERS)
    replay_all(acme)
    (conflict,) = held(acme, reason="conflict")

    assert acme.delete(f"/quarantine/{conflict['quarantine_id']}").status_code == 204
    assert held(acme) == []
    assert acme.get("/leads/l1").json()["lead_type"] == TYPES[0]


def test_replayed_lead_cannot_be_dismissed(acme: httpx.Client) -> None:
    post(acme, lead("l1", action(), product_id="lost"))
    (entry,) = held(acme)
    register(acme, products="lost")
    replay_all(acme)

    assert acme.delete(f"/quarantine/{entry['quarantine_id']}").status_code == 409
    assert acme.get("/leads/l1").status_code == 200


def test_leads_of_a_filter_are_dismissed_in_pieces_and_each_is_noted(acme: httpx.Client) -> None:
    post(acme, [lead(f"l{number}", action(), product_id="lost") for number in range(3)])
    post(acme, lead("kept", action(), product_id="other"))

    pieces = [
        acme.post("/quarantine/dismiss", json={"product_id": "lost", "limit": 2}).json()
        for _ in range(3)
    ]

    assert pieces == [
        {"dismissed": 2, "remaining": 1},
        {"dismissed": 1, "remaining": 0},
        {"dismissed": 0, "remaining": 0},
    ]
    assert [entry["lead"]["lead_id"] for entry in held(acme)] == ["kept"]
    noted = acme.get("/audit?subject=quarantined_lead").json()["data"]
    assert sorted(entry["before"]["lead_id"] for entry in noted) == ["l0", "l1", "l2"]
    assert {entry["action"] for entry in noted} == {"dismissed"}


def test_dismissing_leads_needs_a_filter(acme: httpx.Client) -> None:
    post(acme, lead("l1", action(), product_id="lost"))

    answer = acme.post("/quarantine/dismiss", json={})

    assert answer.status_code == 422
    assert "at least one filter" in answer.json()["detail"]
    assert len(held(acme)) == 1


def test_stored_lead_is_not_among_those_that_a_filter_dismisses(acme: httpx.Client) -> None:
    post(acme, lead("l1", action(), product_id="lost"))
    register(acme, products="lost")
    replay_all(acme)

    answer = acme.post("/quarantine/dismiss", json={"product_id": "lost"})

    assert answer.json() == {"dismissed": 0, "remaining": 0}
    assert acme.get("/audit?subject=quarantined_lead").json()["data"][0]["action"] == "replayed"


# --- the first addresses


def test_first_addresses_answer_as_the_new_ones_do(acme: httpx.Client) -> None:
    post(acme, [lead(f"l{number}", action(), product_id="lost") for number in range(3)])

    assert acme.get("/leads/quarantined").json() == acme.get("/quarantine").json()
    register(acme, products="lost")
    answer = acme.post("/leads/quarantined/replay", json={"limit": 2})
    assert (answer.json()["created"], answer.json()["remaining"]) == (2, 1)
    (entry,) = held(acme)
    old = acme.post(f"/leads/quarantined/{entry['quarantine_id']}/replay")
    assert old.json()["status"] == "created"


@pytest.mark.parametrize(
    "lead_id", ["quarantined", "quarantined/x", "quarantined/replay", "quarantined/x/replay"]
)
def test_lead_called_as_the_first_addresses_is_found(acme: httpx.Client, lead_id: str) -> None:
    post(acme, lead(lead_id, action()))

    answer = acme.get(path_of("leads", lead_id), params={"customer_id": "acme"})

    assert (answer.status_code, answer.json()["lead_id"]) == (200, lead_id)
