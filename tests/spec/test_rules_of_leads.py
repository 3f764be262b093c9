"""Sections 8 to 10 of the billing rules: the same lead again, what is refused, and ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import identifiers
from tests.spec.billing import Billing, Wire, leads_of
from tests.support.api import path_of, post, refusals, statuses, without

if TYPE_CHECKING:
    from tests.spec.with_sql import ProductBilling

# --- 8. The same lead again

ONE_LEAD = """
    lead | action | day
    l1   | Call   | 1 April
"""


def test_a_lead_that_is_posted_again_changes_neither_bill_nor_savings(billing: Billing) -> None:
    billing.post(ONE_LEAD)

    assert billing.post(ONE_LEAD) == ["unchanged"]

    billing.bill("April").shows("""
        lead | gross | billed | duplicate
        l1   | 10.00 | 10.00  | 0.00
    """)


def test_a_lead_with_more_actions_is_updated_by_the_new_ones(billing: Billing) -> None:
    billing.post(ONE_LEAD)

    again = billing.post("""
        lead | action | day
        l1   | Call   | 1 April
        l1   | Chat   | 2 April
    """)

    assert again == ["updated"]
    assert billing.bill("April").totals["billed"] == "20.00"


def test_a_lead_with_fewer_actions_is_unchanged_and_loses_none(billing: Billing) -> None:
    billing.post(ONE_LEAD)

    again = billing.post("""
        lead | action
        l1   | -
    """)

    assert again == ["unchanged"]
    assert billing.bill("April").totals["billed"] == "10.00"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("product", "xyz"),
        ("type", "Webinar"),
        ("user", "Bob"),
        ("user", "-"),
        ("created", "2 January"),
    ],
)
def test_a_lead_with_another_attribute_is_a_conflict_and_nothing_is_written(
    billing: Billing, column: str, value: str
) -> None:
    billing.post(ONE_LEAD)

    again = billing.post(f"""
        lead | {column} | action | day
        l1   | {value}  | Call   | 1 April
        l1   | {value}  | Chat   | 2 April
    """)

    assert again == ["conflict"]
    assert billing.bill("April").totals["billed"] == "10.00"


def test_the_same_id_at_another_customer_is_another_lead(billing: Billing) -> None:
    billing.register("globex")

    answer = billing.post("""
        lead | customer | type
        1001 | acme     | Webinar
        1001 | globex   | Referral
    """)

    assert answer == ["created", "created"]
    assert billing.bill("April", "acme").due == "10.00"
    assert billing.bill("April", "globex").due == "10.00"


def test_actions_match_by_type_timestamp_level_and_nth_occurrence(billing: Billing) -> None:
    billing.post(ONE_LEAD)

    again = billing.post("""
        lead | action | level | day
        l1   | CALL   | high  | 1 April
        l1   | Call   | High  | 1 April
        l1   | Call   | High  | 1 April 12:00:01
        l1   | Call   | Low   | 1 April
    """)

    assert again == ["updated"]
    billing.bill("April").shows("""
        level | outcome
        High  | billed
        High  | duplicate
        Low   | billed
        High  | duplicate
    """)


# --- 9. What is refused, and what is kept


def one_lead(**members: Any) -> Wire:
    return leads_of(ONE_LEAD)[0] | members


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"colour": "red"}, "/colour", "unknown_field"),
        ({"lead_type": "Palm Reading"}, "/lead_type", "unknown_lead_type"),
        ({"created_at": "2024-04-01T10:00:00"}, "/created_at", "timestamp_without_offset"),
        ({"lead_id": ""}, "/lead_id", "empty"),
        ({"lead_id": "x" * 129}, "/lead_id", "too_long"),
    ],
)
def test_a_lead_is_refused_with_the_pointer_and_a_code(
    product: ProductBilling, change: Wire, pointer: str, code: str
) -> None:
    answer = post(product.client, one_lead(**change))

    assert answer.status_code == 422
    assert refusals(answer) == [(pointer, code)]


@pytest.mark.parametrize(
    "field", ["lead_id", "customer_id", "product_id", "lead_type", "created_at", "actions"]
)
def test_a_missing_field_is_refused(product: ProductBilling, field: str) -> None:
    answer = post(product.client, without(one_lead(), field))

    assert refusals(answer) == [(f"/{field}", "missing_field")]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"engagement_level": "Huge"}, "unknown_engagement_level"),
        ({"timestamp": "2024-04-01T10:00:00"}, "timestamp_without_offset"),
    ],
)
def test_an_action_is_refused_with_the_pointer_and_a_code(
    product: ProductBilling, change: Wire, code: str
) -> None:
    lead = one_lead()
    lead["actions"][0] |= change

    answer = post(product.client, lead)

    assert answer.status_code == 422
    assert refusals(answer) == [(f"/actions/0/{next(iter(change))}", code)]


@pytest.mark.parametrize(("minutes", "status"), [(4, 201), (6, 422)])
def test_a_timestamp_more_than_5_minutes_ahead_is_refused(
    product: ProductBilling, minutes: int, status: int
) -> None:
    ahead = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()

    answer = post(product.client, one_lead(created_at=ahead))

    assert answer.status_code == status
    assert refusals(answer) == [("/created_at", "timestamp_in_future")] * (status == 422)


def test_more_than_1000_leads_in_a_request_are_refused(product: ProductBilling) -> None:
    answer = post(product.client, [one_lead(lead_id=f"l{n}") for n in range(1001)])

    assert answer.status_code == 413


def test_more_than_1000_actions_in_a_lead_are_refused(product: ProductBilling) -> None:
    lead = one_lead()

    answer = post(product.client, lead | {"actions": lead["actions"] * 1001})

    assert answer.status_code == 413
    assert refusals(answer) == [("/actions", "too_many_actions")]


def test_levels_are_accepted_in_any_case(billing: Billing) -> None:
    billing.post("""
        lead | level
        l1   | mEDIUM
    """)

    billing.bill("April").shows("""
        level  | billed
        Medium | 5.00
    """)


@pytest.mark.parametrize("timestamp", ["2024-04-01T02:00:00+02:00", "2024-04-01T00:00:00Z"])
def test_a_timestamp_may_carry_any_offset(billing: Billing, timestamp: str) -> None:
    billing.post(f"""
        lead | day
        l1   | {timestamp}
    """)

    assert billing.bill("April").totals["billed"] == "10.00"


def test_a_lead_without_actions_is_valid_and_worth_nothing(billing: Billing) -> None:
    answer = billing.post("""
        lead | action
        l1   | -
    """)

    assert answer == ["created"]
    assert billing.bill("April").lines == []


def test_an_unknown_action_type_costs_what_its_level_does(billing: Billing) -> None:
    billing.post("""
        lead | action             | level
        l1   | Danced on a table  | Medium
    """)

    assert billing.bill("April").totals["billed"] == "5.00"


def test_an_action_may_come_before_its_leads_creation_and_be_old(billing: Billing) -> None:
    answer = billing.post("""
        lead | created | day
        l1   | 1 April | 1999-12-31T12:00:00Z
    """)

    assert answer == ["created"]
    assert billing.bill("1999-12").totals["billed"] == "10.00"


def test_a_lead_of_an_unknown_customer_is_kept_and_ingested_by_a_replay(billing: Billing) -> None:
    answer = billing.post("""
        lead | customer
        l1   | globex
    """)
    billing.register("globex")

    assert (answer, billing.replay()) == (["quarantined"], ["created"])
    assert billing.bill("April", "globex").totals["billed"] == "10.00"


def test_of_the_versions_of_a_lead_in_quarantine_the_first_wins(billing: Billing) -> None:
    first = """
        lead | customer | type    | action | level
        l1   | globex   | Webinar | Call   | Low
    """
    later = """
        lead | customer | type  | action | level
        l1   | globex   | Event | Call   | High
    """
    answers = billing.post(first) + billing.post(later)
    billing.register("globex")

    assert answers == ["quarantined", "quarantined"]
    assert billing.replay() == ["created", "conflict"]
    assert billing.bill("April", "globex").totals["billed"] == "2.00"


def test_a_lead_of_an_unknown_product_is_kept_whole_with_its_reason(
    product: ProductBilling,
) -> None:
    lead = one_lead(product_id="nothing")
    answer = post(product.client, lead)

    (entry,) = product.client.get("/leads/quarantined").json()["data"]

    assert statuses(answer) == ["quarantined"]
    assert (entry["reason"], entry["lead"]["actions"]) == ("unknown_product", lead["actions"])


def test_in_a_batch_each_lead_stands_alone(product: ProductBilling) -> None:
    batch = [one_lead(), one_lead(lead_id=""), one_lead(lead_id="l3")]

    answer = post(product.client, batch)

    assert (answer.status_code, statuses(answer)) == (207, ["created", "invalid", "created"])


@pytest.mark.parametrize(
    "lead_type",
    [
        "Website Visit",
        "Social Media",
        "Email Campaign",
        "Referral",
        "Webinar",
        "Event",
        "Demo Request",
        "Trade Show",
        "Conference",
        "Newsletter",
        "Feedback",
    ],
)
def test_lead_type_is_known_at_the_start(product: ProductBilling, lead_type: str) -> None:
    answer = post(product.client, one_lead(lead_type=lead_type))

    assert answer.status_code == 201


# --- 10. Ids


@pytest.mark.parametrize("lead_id", ["1", "x" * 128, "customer-123", "ä/b c", "💡"])
def test_any_id_of_1_to_128_characters_is_accepted_and_returned(
    product: ProductBilling, lead_id: str
) -> None:
    post(product.client, one_lead(lead_id=lead_id))

    assert product.client.get(path_of("leads", lead_id)).json()["lead_id"] == lead_id


@pytest.mark.parametrize("customer", ["acme", "EB0E1B5A-0D2A-5C6F-9A53-0F6F2B0D1C11"])
def test_filters_take_the_callers_id_and_the_key(product: ProductBilling, customer: str) -> None:
    """An id in UUID form is the key itself; any other gives the key by a fixed rule."""
    product.register(customer)
    post(product.client, one_lead(customer_id=customer))

    for form in (customer, str(identifiers.customer_id(customer))):
        (found,) = product.client.get("/leads", params={"customer_id": form}).json()["data"]
        assert found["customer_id"] == customer
