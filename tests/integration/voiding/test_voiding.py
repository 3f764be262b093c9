"""Voiding over the API: what it answers, refuses and notes, beside posts and closes at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from common.database.engine import get_engine
from common.database.errors import StatementRefused
from common.database.transactions import transaction
from common.leads.ingestion import ingest_leads
from common.leads.parsing import validate_lead
from common.leads.schemas import Lead, with_keys
from common.settings import settings
from tests.support.api import Wire, action, lead, path_of, post, register, report
from tests.support.closing import closed, execute
from tests.support.locks import wait_until_one_waits

APRIL = "2024-04"
CALL, CHAT = action("Call"), action("Chat", "2024-04-02T09:00:00Z", "Low")


def void(client: httpx.Client, lead_id: str = "lead-1", **members: Any) -> httpx.Response:
    return client.post(path_of("leads", lead_id, "void"), json={"reason": "a test lead"} | members)


def voided(client: httpx.Client, lead_id: str = "lead-1", **members: Any) -> Any:
    answer = void(client, lead_id, **members)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids_of(client: httpx.Client, lead_id: str = "lead-1") -> dict[str, str]:
    actions = client.get(path_of("leads", lead_id)).json()["actions"]
    return {each["action_type"]: each["action_id"] for each in actions}


def codes(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


@pytest.fixture
def lead_1(acme: httpx.Client) -> httpx.Client:
    """The API with a lead of a High and a Low action in April."""
    post(acme, lead("lead-1", CALL, CHAT)).raise_for_status()
    return acme


# --- what it answers


def test_voided_action_is_shown_with_its_reason_and_costs_nothing(lead_1: httpx.Client) -> None:
    found = voided(lead_1, action_ids=[ids_of(lead_1)["Call"]], reason=" wrong product ")

    assert found == lead_1.get("/leads/lead-1").json()
    assert found["totals"]["billed"] == "2.00"
    (chat, call) = found["actions"]
    assert (chat["action_type"], chat["outcome"]) == ("Chat", "billed")
    shown = {name: call[name] for name in ("outcome", "reason", "gross", "billed", "action_type")}
    assert shown == {
        "outcome": "voided",
        "reason": "wrong product",
        "gross": "0.00",
        "billed": "0.00",
        "action_type": "Call",
    }
    assert report(lead_1, "acme", APRIL)["due"] == "2.00"


def test_lead_that_is_voided_whole_is_still_shown(lead_1: httpx.Client) -> None:
    found = voided(lead_1)

    assert found["totals"]["gross"] == "0.00"
    assert [each["outcome"] for each in found["actions"]] == ["voided", "voided"]
    (listed,) = lead_1.get("/leads").json()["data"]
    assert (listed["lead_id"], listed["actions"]) == ("lead-1", [])
    assert lead_1.get("/leads", params={"action_type": "Call"}).json()["data"] == []


def test_lead_that_comes_again_says_what_is_voided(lead_1: httpx.Client) -> None:
    voided(lead_1, action_ids=[ids_of(lead_1)["Call"]])

    again = post(lead_1, lead("lead-1", CALL, CHAT))
    more = post(lead_1, lead("lead-1", CALL, action("Share")))

    assert (again.status_code, again.json()["voided"]) == (200, 1)
    (result,) = again.json()["results"]
    assert (result["status"], result["actions_added"]) == ("voided", 0)
    (warning,) = result["warnings"]
    assert warning == {
        "pointer": "/actions",
        "code": "voided_actions",
        "detail": "1 of 2 were voided and are not stored again",
    }
    (result,) = more.json()["results"]
    assert (more.status_code, "voided" in more.json()) == (200, False)
    assert (result["status"], result["actions_added"]) == ("updated", 1)
    assert [each["code"] for each in result["warnings"]] == ["voided_actions"]


def test_lead_that_stands_in_a_request_twice_is_told_of_its_own_actions(
    lead_1: httpx.Client,
) -> None:
    voided(lead_1, action_ids=[ids_of(lead_1)["Call"]])

    batch = [lead("lead-1", CHAT), lead("lead-1", CALL), lead("lead-1", CALL, action("Share"))]
    results = post(lead_1, batch).json()["results"]

    told = [(each["status"], each["actions_added"], len(each["warnings"])) for each in results]
    assert told == [("unchanged", 0, 0), ("voided", 0, 1), ("updated", 1, 1)]


def test_quarantined_version_of_a_voided_lead_can_be_replayed(acme: httpx.Client) -> None:
    later = lead("lead-1", CALL, product_id="xyz")
    post(acme, later)
    register(acme, products="xyz")
    post(acme, later).raise_for_status()
    voided(acme)

    (entry,) = acme.get("/leads/quarantined").json()["data"]
    answer = acme.post(f"/leads/quarantined/{entry['quarantine_id']}/replay")

    assert (answer.status_code, answer.json()["status"]) == (200, "voided")
    assert acme.get("/leads/quarantined").json()["data"] == []


def test_voiding_notes_who_and_what_but_only_once(lead_1: httpx.Client) -> None:
    ids = ids_of(lead_1)
    voided(lead_1)
    voided(lead_1)
    voided(lead_1, action_ids=[ids["Call"]])

    (entry,) = lead_1.get("/audit", params={"action": "voided"}).json()["data"]
    assert (entry["subject"], entry["subject_id"]) == ("lead", "lead-1")
    assert entry["after"] == {
        "customer_id": "acme",
        "actions": 2,
        "action_ids": sorted(ids.values()),
    }


def test_everything_still_adds_up_behind_a_void(lead_1: httpx.Client) -> None:
    post(lead_1, lead("lead-2", CALL, user={"email": "lead-1@people.test"})).raise_for_status()
    voided(lead_1)
    closed(lead_1, APRIL)

    found = lead_1.get("/billing/reconciliation").json()
    assert (found["reconciled"], found["actions"]) == (True, 1)
    assert lead_1.get(f"/billing/reports/acme/{APRIL}/verify").json()["verified"] is True
    assert report(lead_1, "acme", APRIL)["due"] == "10.00"


def test_user_of_a_voided_lead_is_erased(lead_1: httpx.Client) -> None:
    voided(lead_1)

    answer = lead_1.post("/customers/acme/erasures", json={"user": "lead-1@people.test"})

    assert answer.status_code == 200, answer.text
    assert lead_1.get("/leads/lead-1").json()["user"] is None


# --- what it refuses


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"reason": " "}, ("/reason", "empty")),
        ({"reason": None}, ("/reason", "wrong_type")),
        ({"action_ids": []}, ("/action_ids", "too_short")),
        ({"action_ids": ["lead-1"]}, ("/action_ids/0", "invalid_uuid")),
        ({"actions": []}, ("/actions", "unknown_field")),
    ],
)
def test_malformed_void_is_refused(
    lead_1: httpx.Client, body: Wire, expected: tuple[str, str]
) -> None:
    answer = void(lead_1, **body)

    assert answer.status_code == 422
    assert codes(answer)[0][0] == expected[0]


def test_unknown_lead_is_not_found(acme: httpx.Client) -> None:
    assert void(acme, "nowhere").status_code == 404


def test_action_that_the_lead_never_had_is_refused_and_nothing_is_voided(
    lead_1: httpx.Client,
) -> None:
    answer = void(lead_1, action_ids=[ids_of(lead_1)["Call"], str(uuid4())])

    assert (answer.status_code, codes(answer)) == (422, [("/action_ids/1", "unknown_action")])
    assert report(lead_1, "acme", APRIL)["due"] == "12.00"


def test_lead_of_several_customers_needs_the_customer(lead_1: httpx.Client) -> None:
    register(lead_1, customers={"acme": "UTC", "beta": "UTC"})
    post(lead_1, lead("lead-1", CALL, customer_id="beta")).raise_for_status()

    answer = void(lead_1)
    voided(lead_1, customer_id="beta")

    assert (answer.status_code, codes(answer)) == (409, [("/customer_id", "ambiguous_lead_id")])
    assert report(lead_1, "acme", APRIL)["due"] == "12.00"
    assert report(lead_1, "beta", APRIL)["due"] == "0.00"


def test_action_of_a_closed_period_is_refused_and_points_to_disputes(lead_1: httpx.Client) -> None:
    post(lead_1, lead("lead-1", action("May", "2024-05-02T09:00:00Z"))).raise_for_status()
    closed(lead_1, APRIL)

    whole = void(lead_1)
    named = void(lead_1, action_ids=[ids_of(lead_1)["May"], ids_of(lead_1)["Chat"]])

    assert (whole.status_code, codes(whole)) == (409, [("", "period_closed")] * 2)
    assert (named.status_code, codes(named)) == (409, [("/action_ids/1", "period_closed")])
    assert "open a dispute instead" in named.json()["detail"]
    assert report(lead_1, "acme", "2024-05")["due"] == "10.00"


def test_disputed_action_is_refused_until_the_dispute_is_rejected(lead_1: httpx.Client) -> None:
    post(lead_1, lead("lead-1", action("May", "2024-05-02T09:00:00Z"))).raise_for_status()
    ids = ids_of(lead_1)
    body = {"lead_id": "lead-1", "action_id": ids["May"], "reason": "spam"}
    opened = lead_1.post("/billing/disputes", json=body).json()

    answer = void(lead_1, action_ids=[ids["May"]])
    lead_1.post(f"/billing/disputes/{opened['dispute_id']}/reject", json={}).raise_for_status()

    assert (answer.status_code, codes(answer)) == (409, [("/action_ids/0", "already_disputed")])
    assert voided(lead_1, action_ids=[ids["May"]])["totals"]["billed"] == "12.00"


# --- what the database itself refuses


def _delete_voided(action_id: str) -> None:
    execute(
        "with gone as (delete from actions where action_id = :id returning *) "
        "select count(*) from gone",
        id=action_id,
    )


def test_database_deletes_no_action_that_is_not_voided(lead_1: httpx.Client) -> None:
    with pytest.raises(StatementRefused, match="RestrictViolation"):
        _delete_voided(ids_of(lead_1)["Call"])


def test_database_voids_nothing_of_a_closed_period(lead_1: httpx.Client) -> None:
    call = ids_of(lead_1)["Call"]
    closed(lead_1, APRIL)

    with get_engine().begin() as connection:
        count = connection.scalar(
            text(
                "select void_actions(customer_id, lead_id, array[action_id], 'x') from actions "
                "where action_id = :id"
            ),
            {"id": call},
        )

    assert count == 0
    assert ids_of(lead_1)["Call"] == call


@pytest.mark.parametrize(
    "statement", ["delete from voided_actions", "update voided_actions set reason = 'another'"]
)
def test_database_keeps_voided_actions_as_they_are(lead_1: httpx.Client, statement: str) -> None:
    voided(lead_1)

    with pytest.raises(StatementRefused, match="RestrictViolation"):
        execute(f"with gone as ({statement} returning 1) select * from gone")


# --- beside posts and closes


def test_void_waits_for_a_lead_that_is_being_stored(lead_1: httpx.Client) -> None:
    under_way = validate_lead(lead("lead-1", action("Share")), datetime.now(UTC))
    assert isinstance(under_way, Lead)

    with ThreadPoolExecutor(1) as background, transaction() as storing:
        ingest_leads(storing.connection(), {0: with_keys(under_way, settings())}, settings())
        answer = background.submit(void, lead_1)
        wait_until_one_waits()
        storing.commit()

    assert [each["outcome"] for each in answer.result().json()["actions"]] == ["voided"] * 3


def test_posts_voids_and_closes_at_once_lose_nothing_and_bring_nothing_back(
    acme: httpx.Client,
) -> None:
    leads = [
        lead(f"lead-{number}", CALL, action("May", "2024-05-02T09:00:00Z"), user={"phone": "+1555"})
        for number in range(8)
    ]
    post(acme, leads).raise_for_status()

    def send(_: int) -> list[int]:
        return [post(acme, leads).status_code for _ in range(6)]

    def void_all(start: int) -> list[int]:
        return [void(acme, f"lead-{number}").status_code for number in range(start, 7, 2)]

    def close_april(_: int) -> list[Any]:
        return [closed(acme, APRIL)["results"] for _ in range(4)]

    with ThreadPoolExecutor(5) as clients:
        sent = clients.map(send, range(2))
        answers = clients.map(void_all, range(2))
        runs = list(clients.map(close_april, range(1)))
        assert {status for found in sent for status in found} == {200}
        assert {status for found in answers for status in found} <= {200, 409}
    assert [run[0]["status"] for run in runs[0]] == ["closed"] + ["already_closed"] * 3
    both = "select count(*) from actions join voided_actions using (customer_id, action_id)"
    assert execute(both) == [(0,)]
    found = acme.get("/billing/reconciliation").json()
    counted = execute("select count(*) from voided_actions")[0][0]
    assert (found["reconciled"], found["actions"] + counted) == (True, 16)
    final = acme.get(f"/billing/reports/acme/{APRIL}/verify").json()
    assert final["verified"] is True


# --- the console


def test_console_voids_an_action_once_it_is_confirmed(lead_1: httpx.Client) -> None:
    lead_1.headers["accept"] = "text/html"
    call = ids_of(lead_1)["Call"]
    page = lead_1.get("/console/lead", params={"id": "lead-1"}).text
    form = lead_1.get("/console/void", params={"lead_id": "lead-1", "action_id": call}).text
    fields = {"lead_id": "lead-1", "customer_id": "acme", "action_id": call, "reason": "a test"}

    unconfirmed = lead_1.post("/console/void", data=fields)
    done = lead_1.post("/console/void", data=fields | {"confirmed": "true"})

    assert f"action_id={call}" in page
    assert "Void the whole lead" in page
    assert "Void an action" in form
    assert unconfirmed.status_code == 422
    assert "must be ticked" in unconfirmed.text
    assert done.status_code == 303
    assert "a test" in lead_1.get("/console/lead", params={"id": "lead-1"}).text
    lead_1.headers["accept"] = "*/*"
    assert report(lead_1, "acme", APRIL)["due"] == "2.00"


def test_console_offers_no_void_of_what_is_closed(lead_1: httpx.Client) -> None:
    closed(lead_1, APRIL)

    page = lead_1.get("/console/lead", params={"id": "lead-1"}, headers={"accept": "text/html"})

    assert "console/void" not in page.text
