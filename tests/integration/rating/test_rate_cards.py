"""Rate cards over the whole API: what a card prices."""

from typing import Any

import httpx
import pytest

from tests.support.api import Wire, action, amounts, lead, post, register, report
from tests.support.rate_cards import LEVELS, SAMPLE_CARD, Clock, accepted, card, rate, refused, send


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
    assert "20.00 USD at the rate for Referral. " in explained["Referral"][1]
    assert explained["Webinar"][0] == "level"
    assert "rate for" not in explained["Webinar"][1]


def test_sample_card_is_accepted_as_it_stands(acme: httpx.Client) -> None:
    stored = accepted(acme, SAMPLE_CARD)

    assert {name: stored[name] for name in SAMPLE_CARD} == SAMPLE_CARD | {
        "rates": [{"lead_type": None, "product_id": None} | row for row in SAMPLE_CARD["rates"]]
    }


def test_default_card_stands_in_the_history_from_the_start(api: httpx.Client) -> None:
    (first,) = api.get("/rate-cards").json()["data"]

    assert (first["customer_id"], first["version"], first["valid_from"]) == (None, 1, "0001-01")
    assert [(row["engagement_level"], row["amount"]) for row in first["rates"]] == LEVELS
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
    assert "at the rate for Event of abc. " in lines["both"]["explanation"]


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
    assert [(version["version"], version["follows_default"]) for version in history] == [
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
