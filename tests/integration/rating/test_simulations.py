"""What-if: a simulation is what the bill would be, and writes nothing."""

from typing import Any

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from common.billing_period import Period
from common.rating.line import Totals
from common.rating.schemas import ProposedCard
from common.rating.simulation import simulate
from common.tables import Base
from tests.support import oracle
from tests.support.api import Wire, action, amounts, lead, path_of, post, register, report
from tests.support.properties import examples
from tests.support.worlds import Example, World, rate_cards, world, worlds

LEVELS = [("High", "10.00"), ("Medium", "5.00"), ("Low", "2.00")]


def proposed(*special: Wire, **members: Any) -> Wire:
    rates = [{"engagement_level": level, "amount": amount} for level, amount in LEVELS]
    return {"rates": [*rates, *special], "cap": {"amount": "100.00"}} | members


FIFTEEN = {"engagement_level": "High", "lead_type": "Event", "amount": "15.00"}


def ask(client: httpx.Client, card: Wire, **members: Any) -> httpx.Response:
    body = {"period": "2024-04", "rate_card": card} | members
    return client.post("/billing/simulations", json=body)


def answered(client: httpx.Client, card: Wire, **members: Any) -> Any:
    answer = ask(client, card, **members)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


@pytest.fixture
def two(api: httpx.Client) -> httpx.Client:
    """acme with an event of 10.00 and its repeat, beta with one of 10.00, gamma with nothing."""
    register(api, customers={"acme": "UTC", "beta": "UTC", "gamma": "UTC"})
    event: Wire = {"lead_type": "Event", "user": {"email": "ann@people.test"}}
    post(
        api,
        [
            lead("1", action(), **event),
            lead("2", action(timestamp="2024-04-02T10:00:00Z"), **event),
            lead("3", action(), customer_id="beta", **event),
        ],
    )
    return api


def test_difference_is_shown_per_customer_and_in_total(two: httpx.Client) -> None:
    found = answered(two, proposed(FIFTEEN))

    assert [customer["customer_id"] for customer in found["customers"]] == ["acme", "beta"]
    acme = found["customers"][0]
    assert amounts(acme["current"]) == ("20.00", "10.00", "10.00", "0.00")
    assert amounts(acme["proposed"]) == ("30.00", "15.00", "15.00", "0.00")
    assert amounts(acme["difference"]) == ("10.00", "5.00", "5.00", "0.00")
    assert acme["rate_card"] == {"name": "Default", "version": 1, "is_default": True}
    assert amounts(found["totals"]["current"]) == ("30.00", "20.00", "10.00", "0.00")
    assert amounts(found["totals"]["proposed"]) == ("45.00", "30.00", "15.00", "0.00")
    assert amounts(found["totals"]["difference"]) == ("15.00", "10.00", "5.00", "0.00")


def test_cheaper_card_gives_a_negative_difference(two: httpx.Client) -> None:
    found = answered(two, proposed(cap={"amount": "4.00", "scope": "user"}))

    assert amounts(found["totals"]["difference"]) == ("0.00", "-12.00", "0.00", "12.00")


def test_charged_duplicates_move_from_savings_to_billed(two: httpx.Client) -> None:
    found = answered(two, proposed(duplicates_charged_for=["Event"]))

    assert amounts(found["totals"]["difference"]) == ("0.00", "10.00", "-10.00", "0.00")


def test_only_named_customers_are_simulated(two: httpx.Client) -> None:
    one = answered(two, proposed(FIFTEEN), customer_id="beta")
    several = answered(two, proposed(FIFTEEN), customer_ids=["gamma", "acme", "acme"])

    assert [customer["customer_id"] for customer in one["customers"]] == ["beta"]
    assert amounts(one["totals"]["difference"]) == ("5.00", "5.00", "0.00", "0.00")
    assert [customer["customer_id"] for customer in several["customers"]] == ["acme", "gamma"]
    assert several["customers"][1]["proposed"]["actions"] == 0


def own_card(engine: Engine, level_cents: int, version: int, **columns: str) -> None:
    """Gives acme a version of its own, valid since January."""
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", {value}" for value in columns.values())
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"with card as (insert into rate_cards (customer_id, name, version, valid_from{names}) "
            f"select customer_id, 'Own', {version}, '2024-01-01'{values} from customers "
            "where external_id = 'acme' returning rate_card_id, follows_default) "
            "insert into rate_card_rates (rate_card_id, engagement_level, amount_cents) "
            f"select rate_card_id, level::engagement_level, {level_cents} "
            "from card, unnest(array['High', 'Medium', 'Low']) as level where not follows_default"
        )


def test_return_to_the_default_card_can_be_tried(two: httpx.Client, engine: Engine) -> None:
    own_card(engine, 700, 1)
    back = {"follows_default": True}

    tried = answered(two, back, customer_id="acme")["customers"][0]

    assert amounts(tried["current"]) == ("14.00", "7.00", "7.00", "0.00")
    assert amounts(tried["proposed"]) == ("20.00", "10.00", "10.00", "0.00")
    assert refused(ask(two, back)) == [("/rate_card/follows_default", "customer_needed")]
    assert refused(ask(two, proposed() | back, customer_id="acme")) == [
        ("/rate_card/rates", "follows_default"),
        ("/rate_card/cap", "follows_default"),
    ]


def test_who_follows_the_default_card_is_repriced_with_it(
    two: httpx.Client, engine: Engine
) -> None:
    own_card(engine, 700, 1)
    own_card(engine, 0, 2, follows_default="true")

    acme = answered(two, proposed(FIFTEEN))["customers"][0]

    assert (acme["customer_id"], acme["is_repriced"]) == ("acme", True)
    assert acme["rate_card"] == {"name": "Default", "version": 1, "is_default": True}
    assert amounts(acme["difference"]) == ("10.00", "5.00", "5.00", "0.00")


def test_month_without_actions_simulates_to_nothing(two: httpx.Client) -> None:
    found = answered(two, proposed(), period="2024-05")

    assert found["customers"] == []
    assert amounts(found["totals"]["difference"]) == ("0.00", "0.00", "0.00", "0.00")


def test_who_has_an_own_card_stays_on_it_unless_named(two: httpx.Client, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "with card as (insert into rate_cards (customer_id, name, version, valid_from) "
            "select customer_id, 'Own', 1, '2024-01-01' from customers "
            "where external_id = 'acme' returning rate_card_id) "
            "insert into rate_card_rates (rate_card_id, engagement_level, amount_cents) "
            "select rate_card_id, level::engagement_level, 700 "
            "from card, unnest(array['High', 'Medium', 'Low']) as level"
        )

    by_default = {
        customer["customer_id"]: customer
        for customer in answered(two, proposed(FIFTEEN))["customers"]
    }
    named = answered(two, proposed(FIFTEEN), customer_id="acme")["customers"][0]

    acme = by_default["acme"]
    assert acme["rate_card"] == {"name": "Own", "version": 1, "is_default": False}
    assert (acme["is_repriced"], by_default["beta"]["is_repriced"]) == (False, True)
    assert acme["proposed"] == acme["current"]
    assert amounts(acme["current"]) == ("14.00", "7.00", "7.00", "0.00")
    assert named["is_repriced"]
    assert amounts(named["proposed"]) == ("30.00", "15.00", "15.00", "0.00")


def test_closed_month_is_simulated_as_it_was_billed(two: httpx.Client) -> None:
    before = ask(two, proposed(FIFTEEN)).json()
    two.post("/billing/periods/2024-04/close").raise_for_status()

    after = ask(two, proposed(FIFTEEN)).json()

    assert after == before


def test_simulation_writes_nothing(two: httpx.Client, engine: Engine) -> None:
    def state() -> Any:
        with engine.connect() as connection:
            return {
                name: connection.exec_driver_sql(
                    f"select array_agg(stored::text order by stored::text) from {name} as stored"
                ).scalar_one()
                for name in Base.metadata.tables
            }

    cards, bill = two.get("/rate-cards").json(), report(two, "acme", "2024-04")
    before = state()
    answered(two, proposed(FIFTEEN))

    assert state() == before
    assert two.get("/rate-cards").json() == cards
    assert report(two, "acme", "2024-04")["totals"] == bill["totals"]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"period": "2024-13"}, [("/period", "invalid_period")]),
        ({"customer_id": "nobody"}, [("/customer_id", "unknown_customer")]),
        ({"customer_ids": ["acme", "nobody"]}, [("/customer_ids/1", "unknown_customer")]),
        ({"customer_ids": []}, [("/customer_ids", "empty")]),
        (
            {"customer_id": "acme", "customer_ids": ["acme"]},
            [("/customer_ids", "ambiguous_customers")],
        ),
        ({"rate_card": None}, [("/rate_card", "wrong_type")]),
        (
            {"rate_card": proposed(valid_from="2024-05")},
            [("/rate_card/valid_from", "unknown_field")],
        ),
        (
            {"rate_card": proposed(FIFTEEN | {"lead_type": "Smoke"})},
            [("/rate_card/rates/3/lead_type", "unknown_lead_type")],
        ),
        (
            {"rate_card": proposed(FIFTEEN | {"product_id": "x", "amount": "1"})},
            [("/rate_card/rates/3/amount", "invalid_amount")],
        ),
        (
            {"rate_card": proposed(rates=[FIFTEEN])},
            [("/rate_card/rates", "missing_level_rate")] * 3,
        ),
    ],
)
def test_refused_simulation_says_which_member(
    acme: httpx.Client, members: Wire, expected: list[tuple[str, str]]
) -> None:
    assert refused(ask(acme, proposed(), **members)) == expected


def test_customer_is_named_by_either_form_of_its_id(api: httpx.Client) -> None:
    name = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    api.put(path_of("customers", name), json={"name": "A", "email": "a@b.test"})

    found = answered(api, proposed(), customer_id=name.upper())

    assert [customer["customer_id"] for customer in found["customers"]] == [name]


@examples(20)
@given(worlds())
def test_simulation_of_the_card_in_force_is_the_draft_report(
    connection: Connection, example: Example
) -> None:
    batch, cards, zones = example

    with world(connection, zones, cards) as rated:
        rated.post(batch)

        for name, month in oracle.bills(batch, cards, zones):
            card = oracle.card_in_force(cards, name, month)
            (found,) = simulate(
                Session(rated.connection), Period(month), _wire(card), [(name, "/customer_id")]
            )
            drafted, _ = rated.report(name, month)
            assert found.current == found.proposed == drafted.totals
            assert (found.rate_card.name, found.rate_card.version) == (
                drafted.rate_card.name,
                drafted.rate_card.version,
            )


@examples(20)
@given(worlds(), st.data())
def test_simulation_of_another_card_is_what_the_oracle_says_of_it(
    connection: Connection, example: Example, data: st.DataObject
) -> None:
    batch, cards, zones = example
    bills = oracle.bills(batch, cards, zones)
    assume(bills)
    month = data.draw(st.sampled_from(sorted({month for _, month in bills})))
    another = data.draw(rate_cards(month))[-1]
    everywhere = oracle.Card(
        another.rates,
        cap_cents=another.cap_cents,
        cap_scope=another.cap_scope,
        duplicates_charged_for=another.duplicates_charged_for,
    )
    expected = oracle.bills(batch, [everywhere], zones)

    with world(connection, zones, cards) as rated:
        rated.post(batch)

        named = simulate(
            Session(rated.connection),
            Period(month),
            _wire(everywhere),
            [(name, "/customer_ids/0") for name in zones],
        )
        assert {customer.customer_id: customer.proposed for customer in named} == {
            name: _totals(expected.get((name, month), [])) for name in zones
        }
        as_default = simulate(Session(rated.connection), Period(month), _wire(everywhere), None)
        assert {customer.customer_id: customer.proposed for customer in as_default} == {
            name: _totals((expected if _is_on_default(cards, name, month) else bills)[name, month])
            for name in zones
            if (name, month) in bills
        }
        _check_unchanged(rated, bills)


def _wire(card: oracle.Card) -> ProposedCard:
    return ProposedCard.model_validate(
        {
            "rates": [
                {
                    "engagement_level": rate.level,
                    "amount": _amount(rate.cents),
                    "lead_type": rate.lead_type,
                    "product_id": rate.product_id,
                }
                for rate in card.rates
            ],
            "cap": {"amount": _amount(card.cap_cents), "scope": card.cap_scope},
            "duplicates_charged_for": list(card.duplicates_charged_for),
        }
    )


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _is_on_default(cards: list[oracle.Card], name: str, month: Any) -> bool:
    return oracle.card_in_force(cards, name, month).customer_id is None


def _totals(lines: list[oracle.Line]) -> Totals:
    return Totals(
        sum(line.gross for line in lines),
        sum(line.billed for line in lines),
        sum(line.duplicate for line in lines),
        sum(line.cap for line in lines),
        len({line.lead_id for line in lines}),
        len(lines),
    )


def _check_unchanged(rated: World, bills: oracle.Bills) -> None:
    assert rated.lines() == bills
