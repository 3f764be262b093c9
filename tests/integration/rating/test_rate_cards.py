"""Rate cards over the whole API: what a version may be, when it takes effect, what it prices."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from services.reports.api.dependencies import now
from services.reports.app import app
from tests.support.api import Wire, action, amounts, lead, post, register, report

SAMPLE_CARD = json.loads(
    (Path(__file__).resolve().parents[3] / "docs" / "samples" / "rate_card.json").read_bytes()
)
LEVELS = [("High", "10.00"), ("Medium", "5.00"), ("Low", "2.00")]
Clock = Callable[[str], None]


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Sets the service's clock."""

    def be(moment: str) -> None:
        app.dependency_overrides[now] = lambda: datetime.fromisoformat(moment)

    be("2024-03-15T12:00:00+00:00")
    yield be
    del app.dependency_overrides[now]


def rate(level: str, amount: str, **members: str) -> Wire:
    return {"engagement_level": level, "amount": amount, **members}


def card(*special: Wire, **members: Any) -> Wire:
    return {
        "name": "Another",
        "valid_from": "2024-04",
        "currency": "USD",
        "rates": [*(rate(*each) for each in LEVELS), *special],
        "cap": {"amount": "100.00", "scope": "user"},
    } | members


def send(client: httpx.Client, body: Wire) -> httpx.Response:
    return client.post("/rate-cards", json=body)


def accepted(client: httpx.Client, body: Wire) -> Any:
    answer = send(client, body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int = 422) -> list[tuple[str, str]]:
    assert answer.status_code == status, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def test_documented_sample_card_is_posted_and_bills(acme: httpx.Client, clock: Clock) -> None:
    stored = accepted(acme, SAMPLE_CARD | {"valid_from": "2024-04"})
    kinds = ["Email Campaign", "Referral", "Conference", "Webinar"]
    post(acme, [lead(kind, action(), lead_type=kind) for kind in kinds])

    bill = report(acme, "acme", "2024-04")

    assert stored["version"] == 2
    assert bill["rate_card"] == {"name": SAMPLE_CARD["name"], "version": 2}
    assert {line["lead_type"]: line["billed"] for line in bill["lines"]} == {
        "Email Campaign": "15.00",
        "Referral": "20.00",
        "Conference": "15.00",
        "Webinar": "10.00",
    }
    explained = {line["lead_type"]: (line["rate"], line["explanation"]) for line in bill["lines"]}
    assert explained["Referral"][0] == "lead_type"
    assert "20.00 USD at the rate for Referral and " in explained["Referral"][1]
    assert explained["Webinar"][0] == "level"
    assert "rate for" not in explained["Webinar"][1]


def test_sample_card_is_accepted_as_it_stands(acme: httpx.Client) -> None:
    stored = accepted(acme, SAMPLE_CARD)

    assert {name: stored[name] for name in SAMPLE_CARD} == SAMPLE_CARD | {
        "rates": [{"lead_type": None, "product_id": None} | each for each in SAMPLE_CARD["rates"]]
    }


def test_default_card_stands_in_the_history_from_the_start(api: httpx.Client) -> None:
    (first,) = api.get("/rate-cards").json()["data"]

    assert (first["customer_id"], first["version"], first["valid_from"]) == (None, 1, "0001-01")
    assert [(each["engagement_level"], each["amount"]) for each in first["rates"]] == LEVELS
    assert first["cap"] == {"amount": "100.00", "scope": "user"}


def test_most_specific_rate_wins_and_is_named(api: httpx.Client, clock: Clock) -> None:
    register(api, products="abc def")
    special = [
        rate("High", "11.00", lead_type="Event"),
        rate("High", "12.00", product_id="abc"),
        rate("High", "13.37", product_id="abc", lead_type="Event"),
    ]
    accepted(api, card(*special, customer_id="acme"))
    post(
        api,
        [
            lead("both", action(), lead_type="Event"),
            lead("product", action(), lead_type="Webinar"),
            lead("type", action(), lead_type="Event", product_id="def"),
            lead("level", action(), lead_type="Webinar", product_id="def"),
        ],
    )

    lines = {line["lead_id"]: line for line in report(api, "acme", "2024-04")["lines"]}

    assert {name: (line["gross"], line["rate"]) for name, line in lines.items()} == {
        "both": ("13.37", "product_and_lead_type"),
        "product": ("12.00", "product"),
        "type": ("11.00", "lead_type"),
        "level": ("10.00", "level"),
    }
    assert "at the rate for Event of abc and " in lines["both"]["explanation"]


def test_card_prices_from_its_month_on_and_no_month_before(
    acme: httpx.Client, clock: Clock
) -> None:
    accepted(acme, card(rates=[rate(level, "1.00") for level, _ in LEVELS], valid_from="2024-05"))
    for month in ("04", "05", "06"):
        post(acme, lead(month, action(timestamp=f"2024-{month}-01T00:00:00Z")))

    billed = [report(acme, "acme", f"2024-{month}")["due"] for month in ("04", "05", "06")]

    assert billed == ["10.00", "1.00", "1.00"]


@pytest.mark.parametrize("is_final", [False, True])
def test_late_line_names_the_card_of_its_own_month(
    acme: httpx.Client, clock: Clock, is_final: bool
) -> None:
    dear = [rate(level, "30.00") for level, _ in LEVELS]
    accepted(acme, card(name="Dear", rates=dear, valid_from="2024-05"))
    acme.post("/billing/periods/2024-04/close", json={"customer_ids": ["acme"]}).raise_for_status()
    may = action("Call", "2024-05-02T00:00:00Z")
    post(acme, lead("late", action(), may)).raise_for_status()
    if is_final:
        acme.post("/billing/periods/2024-05/close").raise_for_status()

    bill = report(acme, "acme", "2024-05")
    late, own = acme.get("/leads/late").json()["actions"]
    page = acme.get("/billing/reports/acme/2024-05.html").text

    (line,) = bill["prior_period"]["lines"]
    assert (bill["rate_card"]["name"], bill["due"]) == ("Dear", "40.00")
    assert line["rate_card"] == late["rate_card"] == {"name": "Default", "version": 1}
    assert own["rate_card"] == {"name": "Dear", "version": 2}
    assert "on Default, version 1" in page


def test_customers_own_card_goes_before_a_newer_default_one(
    api: httpx.Client, clock: Clock
) -> None:
    register(api, customers={"acme": "UTC", "beta": "UTC"})
    accepted(api, card(customer_id="acme", rates=[rate(level, "3.00") for level, _ in LEVELS]))
    accepted(api, card(valid_from="2024-05", rates=[rate(level, "4.00") for level, _ in LEVELS]))
    may = action(timestamp="2024-05-02T00:00:00Z")
    post(api, [lead("one", may), lead("two", may, customer_id="beta")])

    assert report(api, "acme", "2024-05")["due"] == "3.00"
    assert report(api, "beta", "2024-05")["due"] == "4.00"


def test_cap_amount_and_scope_are_the_cards(api: httpx.Client, clock: Clock) -> None:
    register(api, products="abc def")
    accepted(api, card(cap={"amount": "12.50", "scope": "user_and_product"}))
    user = {"email": "ann@people.test"}
    two = [action("One"), action("Two")]
    post(api, [lead("1", *two, user=user), lead("2", *two, user=user, product_id="def")])

    def told() -> list[str]:
        lead_lines = api.get("/leads/2").json()["actions"]
        return [
            *(line["explanation"] for line in report(api, "acme", "2024-04")["lines"]),
            *(line["explanation"] for line in lead_lines),
        ]

    draft = told()
    totals = report(api, "acme", "2024-04")["totals"]
    page = api.get("/billing/reports/acme/2024-04.html").text
    api.post("/billing/periods/2024-04/close").raise_for_status()
    post(api, lead("3", action("Late"), user=user, product_id="def"))

    assert amounts(totals) == ("40.00", "25.00", "0.00", "15.00")
    assert told() == draft
    for sentence in draft:
        assert (
            "12.50 USD monthly cap for abc" in sentence
            or "12.50 USD monthly cap for def" in sentence
        )
    assert page.count("12.50 USD monthly cap for def") == 2
    (late,) = report(api, "acme", "2024-05")["prior_period"]["lines"]
    assert "12.50 USD monthly cap for def" in late["explanation"]


def test_duplicates_of_a_lead_type_can_be_charged(acme: httpx.Client, clock: Clock) -> None:
    accepted(acme, card(duplicates_charged_for=["Referral"]))
    user = {"email": "ann@people.test"}
    kinds = {"1": "Referral", "2": "Event", "3": "Referral", "4": "Event"}
    post(
        acme,
        [
            lead(
                name,
                action(timestamp=f"2024-04-0{name}T00:00:00Z"),
                action(timestamp=f"2024-04-0{name}T00:00:00Z"),
                lead_type=kind,
                user=user,
            )
            for name, kind in kinds.items()
        ],
    )

    lines = report(acme, "acme", "2024-04")["lines"]

    assert [(line["lead_id"], line["billed"]) for line in lines] == [
        ("1", "10.00"),
        ("1", "10.00"),
        ("2", "10.00"),
        ("2", "0.00"),
        ("3", "10.00"),
        ("3", "10.00"),
        ("4", "0.00"),
        ("4", "0.00"),
    ]
    assert {line["duplicate_of"]["lead_id"] for line in lines if line["duplicate_of"]} == {"2"}


@pytest.mark.parametrize(
    ("zone", "moment", "is_begun"),
    [
        ("UTC", "2024-03-31T23:59:59+00:00", False),
        ("UTC", "2024-04-01T00:00:00+00:00", True),
        ("Pacific/Auckland", "2024-03-31T10:59:59+00:00", False),
        ("Pacific/Auckland", "2024-03-31T11:00:00+00:00", True),
        ("America/New_York", "2024-04-01T03:59:59+00:00", False),
        ("America/New_York", "2024-04-01T04:00:00+00:00", True),
    ],
)
def test_customers_card_starts_in_a_month_that_has_not_begun_on_their_clocks(
    api: httpx.Client, clock: Clock, zone: str, moment: str, is_begun: bool
) -> None:
    register(api, customers={"acme": zone})
    clock(moment)

    answer = send(api, card(customer_id="acme"))

    if is_begun:
        assert refused(answer, 409) == [("/valid_from", "period_begun")]
    else:
        assert answer.status_code == 201


@pytest.mark.parametrize(
    ("moment", "is_begun"),
    [("2024-03-31T10:59:59+00:00", False), ("2024-03-31T11:00:00+00:00", True)],
)
def test_default_card_starts_in_a_month_that_has_begun_for_nobody(
    api: httpx.Client, clock: Clock, moment: str, is_begun: bool
) -> None:
    register(api, customers={"acme": "America/New_York", "kiwi": "Pacific/Auckland"})
    clock(moment)

    assert send(api, card()).status_code == (409 if is_begun else 201)


def test_default_card_starts_by_utc_where_there_are_no_customers(
    api: httpx.Client, clock: Clock
) -> None:
    clock("2024-04-01T00:00:00+00:00")

    assert refused(send(api, card()), 409) == [("/valid_from", "period_begun")]
    assert send(api, card(valid_from="2024-05")).status_code == 201


def test_past_month_is_refused_by_the_real_clock(acme: httpx.Client) -> None:
    assert refused(send(acme, card()), 409) == [("/valid_from", "period_begun")]


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ({"valid_from": "2024-04-01"}, [("/valid_from", "invalid_period")]),
        ({"valid_from": "2024-13"}, [("/valid_from", "invalid_period")]),
        ({"valid_from": None}, [("/valid_from", "wrong_type")]),
        ({"name": "  "}, [("/name", "empty")]),
        ({"currency": "EUR"}, [("/currency", "unknown_currency")]),
        ({"colour": "red"}, [("/colour", "unknown_field")]),
        ({"customer_id": "nobody"}, [("/customer_id", "unknown_customer")]),
        ({"rates": []}, [("/rates", "empty")]),
        (
            {"rates": [rate("High", "1.00"), rate("Low", "1.00")]},
            [("/rates", "missing_level_rate")],
        ),
        ({"cap": {"amount": "1.00", "scope": "lead"}}, [("/cap/scope", "unknown_scope")]),
        ({"cap": {"amount": 100}}, [("/cap/amount", "wrong_type")]),
        ({"cap": {}}, [("/cap/amount", "missing_field")]),
        (
            {"duplicates_charged_for": ["Smoke"]},
            [("/duplicates_charged_for/0", "unknown_lead_type")],
        ),
        (
            {"duplicates_charged_for": ["Event", "Event"]},
            [("/duplicates_charged_for/1", "repeated_lead_type")],
        ),
        ({"expected_version": "1"}, [("/expected_version", "wrong_type")]),
    ],
)
def test_refused_card_says_which_member(
    acme: httpx.Client, clock: Clock, broken: Wire, expected: list[tuple[str, str]]
) -> None:
    assert refused(send(acme, card() | broken)) == expected
    assert len(acme.get("/rate-cards").json()["data"]) == 1


@pytest.mark.parametrize(
    ("special", "expected"),
    [
        (rate("Huge", "1.00"), ("/rates/3/engagement_level", "unknown_engagement_level")),
        (rate("High", "1.00"), ("/rates/3", "repeated_rate")),
        (rate("hIGH", "1.00"), ("/rates/3", "repeated_rate")),
        (rate("High", "1.00", lead_type="Smoke"), ("/rates/3/lead_type", "unknown_lead_type")),
        (rate("High", "1.00", product_id="x"), ("/rates/3/product_id", "unknown_product")),
        (rate("High", "1.00", lead_type=""), ("/rates/3/lead_type", "empty")),
    ],
)
def test_refused_rate_is_named(
    acme: httpx.Client, clock: Clock, special: Wire, expected: tuple[str, str]
) -> None:
    assert refused(send(acme, card(special))) == [expected]


@pytest.mark.parametrize(
    "amount",
    [
        "-1.00",
        "1",
        "1.0",
        "1.000",
        "1,00",
        "1e2",
        "+1.00",
        " 1.00",
        "1000000.01",
        "",
        "NaN",
        "\uff11.00",
    ],
)
def test_amount_that_is_no_exact_decimal_is_refused(
    acme: httpx.Client, clock: Clock, amount: str
) -> None:
    special = rate("High", amount, lead_type="Event")

    assert refused(send(acme, card(special))) == [("/rates/3/amount", "invalid_amount")]


@pytest.mark.parametrize("amount", ["0.00", "0.01", "1000000.00"])
def test_amount_is_kept_to_the_cent(acme: httpx.Client, clock: Clock, amount: str) -> None:
    stored = accepted(acme, card(rate("High", amount, lead_type="Event")))

    assert stored["rates"][3]["amount"] == amount


def test_one_product_under_both_its_ids_is_one_rate(acme: httpx.Client, clock: Clock) -> None:
    product = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    register(acme, products=product)
    twice = [rate("High", "1.00", product_id=each) for each in (product, product.upper())]

    assert refused(send(acme, card(*twice))) == [("/rates/4", "repeated_rate")]


def test_second_of_two_editors_is_told(acme: httpx.Client, clock: Clock) -> None:
    first = send(acme, card(expected_version=1))
    second = send(acme, card(expected_version=1))

    assert first.json()["version"] == 2
    assert refused(second, 409) == [("/expected_version", "version_conflict")]
    assert send(acme, card(customer_id="acme", expected_version=0)).json()["version"] == 1


def test_editors_at_once_get_versions_in_order(acme: httpx.Client, clock: Clock) -> None:
    with ThreadPoolExecutor(8) as editors:
        answers = list(editors.map(lambda _: send(acme, card()), range(8)))

    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 10))


def test_of_editors_at_once_who_saw_the_same_version_one_gets_through(
    acme: httpx.Client, clock: Clock
) -> None:
    body = card(expected_version=0, customer_id="acme")
    with ThreadPoolExecutor(8) as editors:
        answers = list(editors.map(lambda _: send(acme, body), range(8)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


def test_history_lists_every_version_page_by_page(api: httpx.Client, clock: Clock) -> None:
    register(api, customers={"acme": "UTC", "beta": "UTC"})
    for body in (card(), card(customer_id="beta"), card(customer_id="acme"), card()):
        accepted(api, body)
    whole = api.get("/rate-cards").json()
    pages, cursor = [], None
    while True:
        page = api.get("/rate-cards", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        pages += page.json()["data"]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break

    assert [(each["customer_id"], each["version"]) for each in whole["data"]] == [
        (None, 3),
        (None, 2),
        (None, 1),
        ("acme", 1),
        ("beta", 1),
    ]
    assert pages == whole["data"]
    own = api.get("/rate-cards", params={"customer_id": "beta"}).json()["data"]
    assert own == [whole["data"][-1]]
    assert api.get("/rate-cards", params={"customer_id": "nobody"}).json()["data"] == []


def test_foreign_cursor_is_refused(api: httpx.Client) -> None:
    for cursor in ("abc", "WyJcdTAwMDAiLDFd"):
        answer = api.get("/rate-cards", params={"cursor": cursor})
        assert refused(answer) == [("/query/cursor", "invalid_cursor")]


def test_month_closed_by_a_final_report_is_refused(
    acme: httpx.Client, clock: Clock, engine: Engine
) -> None:
    with engine.begin() as connection:
        # Closing moves it, with a final report; here it only matters how far it is.
        connection.exec_driver_sql("set local session_replication_role = replica")
        connection.exec_driver_sql("update customers set closed_through = '2024-05-01'")

    for owner in ({}, {"customer_id": "acme"}):
        answer = send(acme, card(valid_from="2024-05") | owner)
        assert refused(answer, 409) == [("/valid_from", "period_closed")]
        assert send(acme, card(valid_from="2024-06") | owner).status_code == 201


@pytest.mark.parametrize(
    "statement",
    [
        "update rate_cards set cap_cents = 1",
        "update rate_card_rates set amount_cents = 1",
        "delete from rate_card_rates",
    ],
)
def test_stored_versions_cannot_be_edited(connection: Connection, statement: str) -> None:
    with pytest.raises(IntegrityError, match="never edited"):
        connection.exec_driver_sql(statement)


def test_clock_is_the_real_one() -> None:
    assert abs((datetime.now(UTC) - now()).total_seconds()) < 1


# --- back to the default card


def follows(valid_from: str, **members: Any) -> Wire:
    return {
        "name": "Back to the default card",
        "customer_id": "acme",
        "valid_from": valid_from,
        "follows_default": True,
    } | members


def test_customer_returns_to_the_default_card_and_may_leave_it_again(
    api: httpx.Client, clock: Clock
) -> None:
    register(api, customers={"acme": "UTC", "beta": "UTC"})
    threes, fours = ([rate(level, amount) for level, _ in LEVELS] for amount in ("3.00", "4.00"))
    accepted(api, card(customer_id="acme", rates=threes))
    back = accepted(api, follows("2024-05"))
    accepted(api, card(customer_id="acme", rates=fours, valid_from="2024-07"))
    for month in ("04", "05", "06", "07"):
        post(api, lead(month, action(timestamp=f"2024-{month}-02T00:00:00Z")))

    bills = [report(api, "acme", f"2024-{month}") for month in ("04", "05", "06", "07")]
    history = api.get("/rate-cards", params={"customer_id": "acme"}).json()["data"]

    assert [bill["due"] for bill in bills] == ["3.00", "10.00", "10.00", "4.00"]
    assert [bill["rate_card"]["name"] for bill in bills] == [
        "Another",
        "Default",
        "Default",
        "Another",
    ]
    assert [(each["version"], each["follows_default"]) for each in history] == [
        (3, False),
        (2, True),
        (1, False),
    ]
    assert back == history[1]
    assert (back["rates"], back["cap"], back["dispute_window_days"]) == ([], None, None)


def test_month_priced_by_the_followed_card_is_closed_on_it(api: httpx.Client, clock: Clock) -> None:
    register(api)
    accepted(api, card(customer_id="acme"))
    accepted(api, follows("2024-05"))
    post(api, lead("1", action(timestamp="2024-05-02T00:00:00Z")))
    api.post("/billing/periods/2024-05/close").raise_for_status()

    bill = report(api, "acme", "2024-05")

    assert (bill["status"], bill["rate_card"]) == ("final", {"name": "Default", "version": 1})
    assert api.get("/billing/reports/acme/2024-05/verify").json()["verified"] is True


@pytest.mark.parametrize(
    ("members", "errors"),
    [
        ({"rates": [rate("High", "1.00")]}, [("/rates", "follows_default")]),
        ({"cap": {"amount": "1.00"}}, [("/cap", "follows_default")]),
        ({"duplicates_charged_for": ["Event"]}, [("/duplicates_charged_for", "follows_default")]),
        ({"dispute_window_days": 3}, [("/dispute_window_days", "follows_default")]),
        ({"customer_id": None}, [("/follows_default", "customer_needed")]),
        ({"customer_id": "x"}, [("/customer_id", "unknown_customer")]),
        ({"follows_default": "yes"}, [("/follows_default", "wrong_type")]),
        ({"follows_default": False}, [("/rates", "missing_field"), ("/cap", "missing_field")]),
    ],
)
def test_card_that_follows_the_default_one_holds_nothing_else(
    acme: httpx.Client, clock: Clock, members: Wire, errors: list[tuple[str, str]]
) -> None:
    assert refused(send(acme, follows("2024-05") | members)) == errors
