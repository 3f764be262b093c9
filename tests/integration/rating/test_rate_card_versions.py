"""Versions of rate cards: what one may be, when it takes effect, and who was first."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from common.database.transactions import transaction
from common.leads.ingestion import ingest_leads
from common.leads.parsing import validate_lead
from common.leads.schemas import Lead, with_keys
from common.rating.rate_cards import add_rate_card
from common.rating.schemas import NewCard
from common.settings import settings
from services.reports.api.dependencies import now
from tests.support.api import Wire, action, lead, post, register, report
from tests.support.locks import wait_until_one_waits
from tests.support.rate_cards import Clock, accepted, card, rate, refused, send


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
    post(api, lead("lead-1", action(timestamp="2024-04-15T09:00:00Z"))).raise_for_status()
    clock(moment)

    answer = send(api, card(customer_id="acme"))

    if is_begun:
        assert refused(answer, 409) == [("/valid_from", "period_has_actions")]
    else:
        assert answer.status_code == 201


def test_own_card_that_prices_a_lead_which_is_being_stored_waits_and_is_refused(
    acme: httpx.Client, clock: Clock
) -> None:
    clock("2024-04-20T00:00:00+00:00")
    under_way = validate_lead(lead("under-way", action()), datetime.now(UTC))
    assert isinstance(under_way, Lead)

    with ThreadPoolExecutor(1) as background, transaction() as storing:
        ingest_leads(storing.connection(), {0: with_keys(under_way, settings())}, settings())
        answer = background.submit(send, acme, card(customer_id="acme"))
        wait_until_one_waits()
        storing.commit()

    assert refused(answer.result(), 409) == [("/valid_from", "period_has_actions")]


def test_lead_that_is_posted_while_an_own_card_is_added_is_priced_by_it(
    acme: httpx.Client, clock: Clock
) -> None:
    clock("2024-04-20T00:00:00+00:00")
    body = NewCard.model_validate(
        card(
            customer_id="acme",
            rates=[rate("High", "8.00"), rate("Medium", "5.00"), rate("Low", "2.00")],
        )
    )

    with ThreadPoolExecutor(1) as background, transaction() as adding:
        add_rate_card(adding, body, datetime(2024, 4, 20, tzinfo=UTC))
        answer = background.submit(post, acme, lead("lead-1", action()))
        wait_until_one_waits()
        adding.commit()

    answer.result().raise_for_status()
    assert report(acme, "acme", "2024-04")["due"] == "8.00"


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
    twice = [rate("High", "1.00", product_id=spelling) for spelling in (product, product.upper())]

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

    assert [(version["customer_id"], version["version"]) for version in whole["data"]] == [
        (None, 3),
        (None, 2),
        (None, 1),
        ("acme", 1),
        ("beta", 1),
    ]
    assert pages == whole["data"]
    own = api.get("/rate-cards", params={"customer_id": "beta"}).json()["data"]
    assert own == [whole["data"][-1]]
    assert api.get("/rate-cards", params={"customer_id": "nobody"}).status_code == 422


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
