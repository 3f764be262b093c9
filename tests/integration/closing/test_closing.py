"""Closing a month: what is final stays, and what comes late is billed on the next report."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.support.api import Wire, action, amounts, lead, path_of, post, register, report
from tests.support.closing import USER, by_customer, close, closed, execute, forget_price, post_late

APRIL = path_of("billing", "reports", "acme", "2024-04")


def test_numbers_of_a_closed_month_and_its_late_actions_to_the_cent(
    april_and_may: httpx.Client,
) -> None:
    run = closed(april_and_may, "2024-04", "acme")
    april = report(april_and_may, "acme", "2024-04")
    may_before = report(april_and_may, "acme", "2024-05")
    post_late(april_and_may)
    may = report(april_and_may, "acme", "2024-05")

    assert by_customer(run) == {"acme": ("closed", "17.00")}
    assert (run["closed"], run["already_closed"], run["failed"], run["due"]) == (1, 0, 0, "17.00")
    assert (april["status"], april["totals"]["billed"], april["due"]) == ("final", "17.00", "17.00")
    assert len(april["content_hash"]) == 64
    assert (may_before["totals"]["billed"], may_before["due"]) == ("10.00", "10.00")
    assert report(april_and_may, "acme", "2024-04") == april
    assert (may["status"], may["totals"]["billed"], may["due"]) == ("draft", "10.00", "20.00")
    assert amounts(may["prior_period"]["totals"]) == ("20.00", "10.00", "10.00", "0.00")
    repeat, download = may["prior_period"]["lines"]
    assert (repeat["period"], repeat["outcome"], repeat["billed"]) == (
        "2024-04",
        "duplicate",
        "0.00",
    )
    assert repeat["duplicate_of"]["lead_id"] == "lead-1"
    assert (download["period"], download["outcome"], download["billed"]) == (
        "2024-04",
        "billed",
        "10.00",
    )
    assert (download["cap_used_before"], download["cap_used_after"]) == ("17.00", "27.00")
    assert (repeat["cap_used_before"], repeat["cap_used_after"]) == ("17.00", "17.00")


def test_late_lines_become_final_with_the_next_report_as_the_draft_showed_them(
    april_and_may: httpx.Client,
) -> None:
    closed(april_and_may, "2024-04")
    post_late(april_and_may)
    draft = report(april_and_may, "acme", "2024-05")

    run = closed(april_and_may, "2024-05")
    may = report(april_and_may, "acme", "2024-05")

    changing = {"status", "generated_at", "finalized_at"}
    changing |= {"hash_version", "content_hash", "previous_hash", "dispute_until"}
    changing |= {"number", "issue_date", "due_date"}
    same = draft.keys() - changing
    assert {name: may[name] for name in same} == {name: draft[name] for name in same}
    assert by_customer(run) == {"acme": ("closed", "20.00")}
    assert may["status"] == "final"
    assert may["previous_hash"] == report(april_and_may, "acme", "2024-04")["content_hash"]
    assert report(april_and_may, "acme", "2024-06")["prior_period"]["lines"] == []


def test_late_action_takes_what_the_closed_months_cap_had_left(acme: httpx.Client) -> None:
    nine = [action(f"Kind {number}", "2024-04-20T12:00:00Z") for number in range(9)]
    low = action("Like", "2024-04-21T12:00:00Z", "Low")
    post(acme, lead("lead-1", *nine, low, user=USER))
    closed(acme, "2024-04")
    late = [action("Call", "2024-04-01T12:00:00Z"), action("Visit", "2024-04-01T13:00:00Z")]
    post(acme, lead("late", *late, user=USER))
    closed(acme, "2024-05")
    post(acme, lead("later", action("Fax", "2024-04-01T11:00:00Z"), user=USER))

    may, june = (report(acme, "acme", period) for period in ("2024-05", "2024-06"))

    assert [line["billed"] for line in may["prior_period"]["lines"]] == ["8.00", "0.00"]
    assert [line["outcome"] for line in may["prior_period"]["lines"]] == [
        "partially_capped",
        "capped",
    ]
    assert (may["status"], may["due"]) == ("final", "8.00")
    assert [line["billed"] for line in june["prior_period"]["lines"]] == ["0.00"]
    assert june["due"] == "0.00"


def test_closing_twice_is_a_no_op(april_and_may: httpx.Client) -> None:
    closed(april_and_may, "2024-04")
    before = april_and_may.get(APRIL).content

    again = closed(april_and_may, "2024-04")

    assert by_customer(again) == {"acme": ("already_closed", "0.00")}
    assert april_and_may.get(APRIL).content == before


def test_two_clients_at_once_give_one_report(april_and_may: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as clients:
        runs = list(clients.map(lambda _: closed(april_and_may, "2024-04"), range(8)))

    assert sorted(run["closed"] for run in runs) == [0] * 7 + [1]
    assert execute("select count(*) from billing_reports")[0][0] == 1
    assert report(april_and_may, "acme", "2024-04")["due"] == "17.00"


def test_month_that_is_not_over_is_refused_and_parks_nobody(april_and_may: httpx.Client) -> None:
    now = datetime.now(UTC)
    for period in (f"{now:%Y-%m}", "2999-01", "9999-12"):
        refused = close(april_and_may, period)

        assert refused.status_code == 409
        assert refused.json()["errors"][0]["code"] == "period_open"
        assert f"{period} is not over yet" in refused.json()["detail"]
    assert execute("select count(*) from parked_customers")[0][0] == 0
    assert execute("select count(*) from billing_reports")[0][0] == 0


def test_month_behind_one_with_open_actions_is_refused_and_names_it(
    april_and_may: httpx.Client,
) -> None:
    refused = close(april_and_may, "2024-05", "acme")

    assert refused.status_code == 409
    assert "2024-04 still has open actions" in refused.json()["detail"]
    assert report(april_and_may, "acme", "2024-05")["status"] == "draft"


def test_months_without_actions_are_closed_along(acme: httpx.Client) -> None:
    post(acme, lead("lead-1", action("Form", "2024-04-03T09:00:00Z"), user=USER))
    closed(acme, "2024-04")
    run = closed(acme, "2024-06")
    post(acme, lead("late", action("Form", "2024-05-03T09:00:00Z"), user=USER))
    post(acme, lead("old", action("Form", "2023-01-03T09:00:00Z"), user=USER))

    may, june, july = (report(acme, "acme", f"2024-0{month}") for month in (5, 6, 7))

    assert by_customer(run) == {"acme": ("closed", "0.00")}
    assert (may["status"], may["lines"], may["due"]) == ("final", [], "0.00")
    assert (june["status"], june["lines"], june["due"]) == ("final", [], "0.00")
    assert [line["period"] for line in july["prior_period"]["lines"]] == ["2023-01", "2024-05"]
    assert july["due"] == "20.00"
    assert by_customer(closed(acme, "2024-05")) == {"acme": ("already_closed", "0.00")}


def test_unknown_customer_is_refused_by_name(acme: httpx.Client) -> None:
    refused = close(acme, "2024-04", "acme", "nobody")

    assert refused.status_code == 404
    assert "'nobody'" in refused.json()["detail"]


@pytest.mark.parametrize(
    "body", [{"customer_ids": []}, {"customer_ids": "acme"}, {"customers": ["acme"]}]
)
def test_malformed_request_to_close_is_refused(acme: httpx.Client, body: Wire) -> None:
    assert acme.post("/billing/periods/2024-04/close", json=body).status_code == 422
    assert close(acme, "2024-13").status_code == 422


def test_customer_that_fails_is_parked_and_stops_nobody_and_is_taken_up_again(
    api: httpx.Client,
) -> None:
    register(api, customers={"acme": "UTC", "beta": "UTC", "gamma": "UTC"})
    medium = action("Share", "2024-04-03T09:00:00Z", "Medium")
    for name in ("acme", "beta", "gamma"):
        post(api, lead(f"lead-{name}", medium, customer_id=name))
    forget_price("beta")

    first = closed(api, "2024-04")
    parked = execute("select reason from parked_customers")
    alone = close(api, "2024-04", "beta")
    execute(
        "insert into rate_card_rates (rate_card_id, engagement_level, amount_cents) "
        "select rate_card_id, 'Medium', 700 from rate_cards where name = 'Unfinished'"
    )
    second = closed(api, "2024-04")

    assert by_customer(first) == {
        "acme": ("closed", "5.00"),
        "beta": ("failed", "0.00"),
        "gamma": ("closed", "5.00"),
    }
    assert "no price" in first["results"][1]["reason"]
    assert [reason for (reason,) in parked] == [first["results"][1]["reason"]]
    assert alone.status_code == 409
    assert "no price" in alone.json()["detail"]
    assert by_customer(second) == {
        "acme": ("already_closed", "0.00"),
        "beta": ("closed", "7.00"),
        "gamma": ("already_closed", "0.00"),
    }
    assert execute("select reason from parked_customers") == []


@pytest.mark.parametrize("extension", ["", ".csv", ".html"])
def test_closed_report_stays_the_same_byte_for_byte(
    april_and_may: httpx.Client, extension: str
) -> None:
    closed(april_and_may, "2024-04")
    before = april_and_may.get(APRIL + extension).content

    post_late(april_and_may)
    april_and_may.put("/products/abc", json={"name": "Another name"})
    april_and_may.put("/customers/acme", json={"name": "Renamed", "email": "other@partner.test"})
    closed(april_and_may, "2024-05")
    post(april_and_may, lead("later", action("Fax", "2024-04-05T12:00:00Z"), user=USER))
    closed(april_and_may, "2024-06")

    assert april_and_may.get(APRIL + extension).content == before


@pytest.mark.parametrize("extension", [".csv", ".html"])
def test_every_format_shows_prior_period_lines(april_and_may: httpx.Client, extension: str) -> None:
    closed(april_and_may, "2024-04")
    post_late(april_and_may)
    path = path_of("billing", "reports", "acme", "2024-05") + extension

    draft = april_and_may.get(path).text
    closed(april_and_may, "2024-05")
    final = april_and_may.get(path).text

    for text in (draft, final):
        assert "Download" in text
        assert "27.00 of this user" in text.replace("&#39;", "'")
    if extension == ".csv":
        rows = list(csv.DictReader(io.StringIO(final.removeprefix("\ufeff"), newline="")))
        (download,) = (row for row in rows if row["action_type"] == "Download")
        assert (download["period"], download["report_period"]) == ("2024-04", "2024-05")
        assert (download["rate"], download["report_status"]) == ("level", "final")
        assert (download["cap_used_before"], download["cap_used_after"]) == ("17.00", "27.00")


def test_time_zone_is_fixed_by_a_final_report(april_and_may: httpx.Client) -> None:
    body = {"name": "Acme", "email": "billing0@partner.test", "timezone": "Europe/Berlin"}
    closed(april_and_may, "2024-04")

    refused = april_and_may.put("/customers/acme", json=body)

    assert refused.status_code == 409
    assert refused.json()["errors"][0]["code"] == "timezone_fixed"
    assert april_and_may.put("/customers/acme", json=body | {"timezone": "UTC"}).status_code == 200


def test_cursors_walk_over_a_final_report(acme: httpx.Client) -> None:
    many = [action(f"Kind {number}", f"2024-04-{number + 1:02d}T12:00:00Z") for number in range(7)]
    post(acme, lead("lead-1", *many, user=USER))
    closed(acme, "2024-03", "acme")
    post(acme, lead("late", action("Late", "2024-03-01T12:00:00Z"), user=USER))
    closed(acme, "2024-04")
    whole = report(acme, "acme", "2024-04")

    cut = acme.get(APRIL, params={"limit": 3}).raise_for_status().json()
    pages = [cut["lines"]]
    cursor = cut["next_cursor"]
    while cursor is not None:
        page = acme.get(f"{APRIL}/lines", params={"limit": 3, "cursor": cursor}).json()
        pages.append(page["data"])
        cursor = page["next_cursor"]

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [line for page in pages for line in page] == whole["lines"]
    assert (cut["totals"], cut["prior_period"]) == (whole["totals"], whole["prior_period"])
    assert [line["action_type"] for line in whole["prior_period"]["lines"]] == ["Late"]


def test_cursor_of_a_draft_goes_on_in_the_final_report(acme: httpx.Client) -> None:
    """Also where many lines are at one time, over more than one block, and where one was voided."""
    at_once = "2024-04-10T12:00:00Z"
    leads = [
        lead(
            f"lead-{number}", *(action(kind, at_once) for kind in ("A", "a b", "Ä", "B")), user=USER
        )
        for number in range(80)
    ]
    post(acme, leads)
    whole = report(acme, "acme", "2024-04")["lines"]
    ends = {
        number: acme.get(APRIL, params={"limit": number}).json()["next_cursor"]
        for number in (1, 100, 250, 319)
    }
    gone = whole[99]
    body = {"customer_id": "acme", "action_ids": [gone["action_id"]], "reason": "test"}
    acme.post(f"/leads/{gone['lead_id']}/void", json=body).raise_for_status()
    closed(acme, "2024-04")

    for number, cursor in ends.items():
        rest = acme.get(f"{APRIL}/lines", params={"cursor": cursor}).json()
        assert [line["action_id"] for line in rest["data"]] == [
            line["action_id"] for line in whole[number:] if line != gone
        ]
        assert rest["next_cursor"] is None
        small = acme.get(f"{APRIL}/lines", params={"cursor": cursor, "limit": 1}).json()
        assert small["data"] == rest["data"][:1]


@pytest.mark.parametrize("bad", ["abc", "e30", "WzFd", "LTE"])
def test_cursor_that_is_none_is_refused(april_and_may: httpx.Client, bad: str) -> None:
    closed(april_and_may, "2024-04")

    for path in ("", "/lines", "/prior-lines", "/users", "/leads"):
        refused = april_and_may.get(f"{APRIL}{path}", params={"cursor": bad})
        assert refused.status_code == 422
        known = "invalid_cursor" if path else "unknown_parameter"
        assert refused.json()["errors"][0]["code"] == known


def listed(client: httpx.Client, **query: str) -> list[tuple[str, str, str]]:
    answer = client.get("/billing/reports", params=query)
    answer.raise_for_status()
    return [
        (entry["period"], entry["status"], entry["totals"]["billed"])
        for entry in answer.json()["data"]
    ]


def test_list_shows_final_and_draft_months_by_status_and_range(april_and_may: httpx.Client) -> None:
    closed(april_and_may, "2024-04")
    post_late(april_and_may)

    april, may = ("2024-04", "final", "17.00"), ("2024-05", "draft", "10.00")
    assert listed(april_and_may) == [may, april]
    assert listed(april_and_may, status="final") == [april]
    assert listed(april_and_may, status="draft") == [may]
    assert listed(april_and_may, period="2024-04") == [april]
    assert listed(april_and_may, period="2024-04", status="draft") == []
    some_of_april = ("2024-04", "final", "7.00")
    assert listed(april_and_may, **{"from": "2024-04-04"}) == [may, some_of_april]
    assert listed(april_and_may, **{"from": "2024-04-04", "to": "2024-05-01"}) == [some_of_april]
    assert listed(april_and_may, **{"from": "2024-04-04", "status": "final"}) == [some_of_april]
    assert listed(april_and_may, to="2024-04-01") == []


def dues(client: httpx.Client, **query: str) -> tuple[list[tuple[str, str, str | None]], Any]:
    """What the list says is due for each month, and over all."""
    answer = client.get("/billing/reports", params=query)
    answer.raise_for_status()
    found = answer.json()
    entries = [
        (entry["period"], entry["totals"]["billed"], entry["due"]) for entry in found["data"]
    ]
    return entries, found["due"]


def test_list_says_what_is_due_with_late_lines(april_and_may: httpx.Client) -> None:
    closed(april_and_may, "2024-04")
    post_late(april_and_may)

    april, may = ("2024-04", "17.00", "17.00"), ("2024-05", "10.00", "20.00")
    assert dues(april_and_may) == ([may, april], "37.00")
    assert dues(april_and_may, period="2024-05") == ([may], "20.00")
    assert dues(april_and_may, customer_id="acme", status="draft") == ([may], "20.00")
    assert dues(april_and_may, period="2024-06") == ([], "0.00")
    part = ([("2024-05", "10.00", None), ("2024-04", "7.00", None)], None)
    assert dues(april_and_may, **{"from": "2024-04-04"}) == part
    for period, _, due in dues(april_and_may)[0]:
        assert report(april_and_may, "acme", period)["due"] == due


def test_open_month_with_late_lines_alone_stands_in_the_list(april_and_may: httpx.Client) -> None:
    closed(april_and_may, "2024-04")
    closed(april_and_may, "2024-05")
    post_late(april_and_may)

    june = ("2024-06", "0.00", "10.00")
    assert dues(april_and_may)[0][0] == june
    assert dues(april_and_may, status="draft") == ([june], "10.00")
    assert dues(april_and_may, period="2024-06") == ([june], "10.00")
    assert dues(april_and_may, period="2024-07") == ([], "0.00")
    assert dues(april_and_may, status="final")[1] == "27.00"
    (entry,) = april_and_may.get("/billing/reports", params={"status": "draft"}).json()["data"]
    assert (entry["customer_name"], entry["totals"]["actions"]) == ("The acme", 0)
    assert entry["report_id"] == report(april_and_may, "acme", "2024-06")["report_id"]


def test_lead_shows_the_report_of_each_action_and_its_status(april_and_may: httpx.Client) -> None:
    closed(april_and_may, "2024-04")
    post_late(april_and_may)

    first, late = (
        april_and_may.get(f"/leads/{name}").json()["actions"] for name in ("lead-1", "late")
    )

    def places(actions: list[Wire]) -> list[tuple[str, str, str]]:
        return [(row["period"], row["report_period"], row["report_status"]) for row in actions]

    assert places(first) == [("2024-04", "2024-04", "final")] * 3 + [
        ("2024-05", "2024-05", "draft")
    ]
    assert places(late) == [("2024-04", "2024-05", "draft")] * 2
    assert late[0]["report_id"] == report(april_and_may, "acme", "2024-05")["report_id"]
    closed(april_and_may, "2024-05")
    late = april_and_may.get("/leads/late").json()["actions"]
    assert places(late) == [("2024-04", "2024-05", "final")] * 2


def test_customers_own_zone_says_what_the_month_is(api: httpx.Client) -> None:
    register(api, customers={"acme": "Asia/Kolkata"})
    edge = [action("In", "2024-03-31T18:30:00Z"), action("Out", "2024-04-30T18:30:00Z")]
    post(api, lead("lead-1", *edge, user=USER))

    closed(api, "2024-04")

    assert [line["action_type"] for line in report(api, "acme", "2024-04")["lines"]] == ["In"]
    assert report(api, "acme", "2024-05")["status"] == "draft"
