"""POST /leads with a lead that is stored already, or several times in one request."""

import httpx
import pytest

from tests.support.api import (
    Wire,
    action,
    lead,
    post,
    refusals,
    register,
    report,
    statuses,
    without,
)

# --- the same lead again


def test_retried_request_changes_neither_bill_nor_savings(acme: httpx.Client) -> None:
    batch = [lead("lead-1", action(), action()), lead("lead-2", action())]
    post(acme, batch)
    before = report(acme, "acme", "2024-04")

    for _ in range(3):
        answer = post(acme, batch)
        assert statuses(answer) == ["unchanged", "unchanged"]

    after = report(acme, "acme", "2024-04")
    assert without(after, "generated_at") == without(before, "generated_at")


SPELLINGS = ("Form Submission", "FORM  submission")


@pytest.mark.parametrize("spellings", [SPELLINGS, SPELLINGS[::-1]])
def test_report_is_the_same_whichever_spelling_of_an_action_came_first(
    acme: httpx.Client, spellings: tuple[str, str]
) -> None:
    for spelling in spellings:
        post(acme, lead("lead-1", action(spelling)))
    post(acme, lead("lead-2", *(action(spelling) for spelling in spellings)))

    shown = {line["action_type"] for line in report(acme, "acme", "2024-04")["lines"]}
    assert shown == set(SPELLINGS)
    acme.post("/billing/periods/2024-04/close").raise_for_status()
    final = report(acme, "acme", "2024-04")

    assert [line["action_type"] for line in final["lines"] if line["lead_id"] == "lead-1"] == [
        "FORM  submission"
    ]
    assert {line["action_type"] for line in final["lines"]} == shown
    assert acme.get("/billing/reports/acme/2024-04/verify").json()["verified"]


def test_spelling_on_a_final_report_stays_and_that_of_a_late_action_follows_the_rule(
    acme: httpx.Client,
) -> None:
    post(acme, lead("lead-1", action("Form")))
    acme.post("/billing/periods/2024-04/close").raise_for_status()
    for spelling in ("Call", "CALL"):
        answer = post(acme, lead("lead-1", action("FORM"), action(spelling)))
    prior = acme.get("/billing/reports/acme/2024-05/prior-lines").json()["data"]

    assert statuses(answer) == ["unchanged"]
    assert [line["action_type"] for line in report(acme, "acme", "2024-04")["lines"]] == ["Form"]
    assert [line["action_type"] for line in prior] == ["CALL"]
    assert acme.get("/billing/reports/acme/2024-04/verify").json()["verified"]


def test_fewer_actions_delete_nothing(acme: httpx.Client) -> None:
    post(acme, lead("lead-1", action(), action("Call")))

    answer = post(acme, lead("lead-1"))

    assert statuses(answer) == ["unchanged"]
    assert report(acme, "acme", "2024-04")["totals"]["actions"] == 2


def test_nth_occurrence_of_an_equal_action_is_an_action_of_its_own(acme: httpx.Client) -> None:
    post(acme, lead("lead-1", action()))

    answer = post(acme, lead("lead-1", action(), action(), action()))

    assert (statuses(answer), answer.json()["results"][0]["actions_added"]) == (["updated"], 2)
    assert report(acme, "acme", "2024-04")["totals"]["gross"] == "30.00"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"product_id": "def"}, "/product_id"),
        ({"lead_type": "Social Media"}, "/lead_type"),
        ({"created_at": "2024-04-01T09:55:01Z"}, "/created_at"),
        ({"user": {"email": "other@people.test"}}, "/user"),
        ({"user": {"phone": "1"}}, "/user"),
        ({"user": None}, "/user"),
    ],
)
def test_known_lead_with_another_attribute_is_a_conflict_and_nothing_is_written(
    api: httpx.Client, change: Wire, pointer: str
) -> None:
    register(api, products="abc def")
    post(api, lead("lead-1", action()))
    before = api.get("/leads/lead-1").json()

    answer = post(api, lead("lead-1", action(), action("Call")) | change)

    assert answer.status_code == 409
    assert (pointer, "conflict") in refusals(answer)
    assert api.get("/leads/lead-1").json() == before


def test_lead_that_gets_a_user_later_is_a_conflict(acme: httpx.Client) -> None:
    post(acme, without(lead("lead-1", action()), "user"))

    answer = post(acme, lead("lead-1", action()))

    assert refusals(answer) == [("/user", "conflict")]


@pytest.mark.parametrize(
    "change",
    [
        {"created_at": "2024-04-01T11:55:00+02:00"},
        {"user": {"email": " LEAD-1@people.test"}},
        {"user": {"email": "lead-1@people.test", "phone": "1"}},
    ],
)
def test_same_attributes_written_otherwise_are_no_conflict(
    acme: httpx.Client, change: Wire
) -> None:
    post(acme, lead("lead-1", action()))

    answer = post(acme, lead("lead-1", action()) | change)

    assert statuses(answer) == ["unchanged"]


def test_lead_several_times_in_one_request_is_the_union_of_its_actions(
    acme: httpx.Client,
) -> None:
    answer = post(
        acme,
        [
            lead("lead-1", action(), action("Call")),
            lead("lead-1", action("Call")),
            lead("lead-1", action("Chat"), action()),
        ],
    )

    assert statuses(answer) == ["created", "unchanged", "updated"]
    assert [result["actions_added"] for result in answer.json()["results"]] == [2, 0, 1]
    assert report(acme, "acme", "2024-04")["totals"]["gross"] == "30.00"


def test_of_two_different_leads_with_one_id_in_a_request_one_is_stored(
    acme: httpx.Client,
) -> None:
    answer = post(
        acme,
        [
            lead("lead-1", action(), lead_type="Social Media"),
            lead("lead-1", action("Call"), lead_type="Website Visit"),
        ],
    )

    assert (answer.status_code, statuses(answer)) == (207, ["created", "conflict"])
    shown = acme.get("/leads/lead-1").json()
    assert shown["lead_type"] == "Social Media"
    assert [row["action_type"] for row in shown["actions"]] == ["Form Submission"]


@pytest.mark.parametrize("is_changed_first", [True, False])
@pytest.mark.parametrize(
    "change",
    [{"created_at": "2024-03-02T09:00:00Z"}, {"lead_type": "Webinar"}, {"user": {"phone": "1"}}],
    ids=["created_at", "lead_type", "user"],
)
def test_two_versions_of_a_lead_in_a_request_are_a_conflict(
    acme: httpx.Client, change: Wire, is_changed_first: bool
) -> None:
    versions = [lead("lead-1", action("Call")), lead("lead-1", action("Chat")) | change]

    answer = post(acme, versions[::-1] if is_changed_first else versions)

    lines = report(acme, "acme", "2024-04")["lines"]
    assert statuses(answer) == ["created", "conflict"]
    assert [line["action_type"] for line in lines] == ["Chat" if is_changed_first else "Call"]
