"""The sums that partners were promised, to the cent, over the whole API."""

import json

import httpx
import pytest

from tests.support.api import PROJECT, action, amounts, lead, post, register, report, without

SAMPLE = PROJECT / "docs" / "samples" / "sample_leads.json"


@pytest.fixture
def sample(api: httpx.Client) -> httpx.Client:
    register(
        api,
        customers={"customer-123": "UTC", "customer-456": "UTC"},
        products="product-abc product-def product-xyz",
    )
    assert post(api, SAMPLE.read_bytes()).status_code == 201
    return api


@pytest.mark.parametrize(
    ("customer", "period", "expected"),
    [
        ("customer-123", "2024-04", ("22.00", "12.00", "10.00", "0.00")),
        ("customer-456", "2024-04", ("7.00", "7.00", "0.00", "0.00")),
        ("customer-123", "2024-05", ("10.00", "10.00", "0.00", "0.00")),
    ],
)
def test_sample_leads_cost_what_was_promised(
    sample: httpx.Client, customer: str, period: str, expected: tuple[str, ...]
) -> None:
    bill = report(sample, customer, period)

    assert amounts(bill["totals"]) == expected
    assert bill["due"] == expected[1]
    assert bill["rate_card"] == {"name": "Default", "version": 1}


def test_sample_report_says_which_lead_a_duplicate_repeats(sample: httpx.Client) -> None:
    lines = report(sample, "customer-123", "2024-04")["lines"]

    assert [(line["lead_id"], line["outcome"], line["billed"]) for line in lines] == [
        ("uuid-1", "billed", "2.00"),
        ("uuid-1", "billed", "10.00"),
        ("uuid-3", "duplicate", "0.00"),
    ]
    assert lines[2]["duplicate_of"] == {"lead_id": "uuid-1", "action_id": lines[1]["action_id"]}
    assert "uuid-1" in lines[2]["explanation"]


def test_list_of_reports_adds_the_sample_up(sample: httpx.Client) -> None:
    listed = sample.get("/billing/reports").json()

    assert [(entry["customer_id"], entry["period"]) for entry in listed["data"]] == [
        ("customer-123", "2024-05"),
        ("customer-123", "2024-04"),
        ("customer-456", "2024-04"),
    ]
    assert amounts(listed["totals"]) == ("39.00", "29.00", "10.00", "0.00")
    assert (listed["totals"]["leads"], listed["totals"]["actions"]) == (4, 6)


def fifty(start: int = 0) -> list[dict[str, object]]:
    return [
        lead(f"lead-{number}", action(timestamp=f"2024-04-{number % 28 + 1:02d}T12:00:00Z"))
        for number in range(start, start + 50)
    ]


def test_fifty_leads_of_fifty_people_cost_500(acme: httpx.Client) -> None:
    post(acme, fifty())

    bill = report(acme, "acme", "2024-04")

    assert amounts(bill["totals"]) == ("500.00", "500.00", "0.00", "0.00")
    assert bill["warnings"] == []


def test_fifty_leads_of_nobody_cost_10_and_the_report_says_why(acme: httpx.Client) -> None:
    answer = post(acme, [without(item, "user") for item in fifty()])

    bill = report(acme, "acme", "2024-04")

    assert amounts(bill["totals"]) == ("500.00", "10.00", "490.00", "0.00")
    (warning,) = bill["warnings"]
    assert warning["code"] == "leads_without_user"
    assert "50 of 50 leads have no user" in warning["detail"]
    assert "as one user of this customer" in warning["detail"]
    for result in answer.json()["results"]:
        assert [warning["code"] for warning in result["warnings"]] == ["missing_user"]


def test_action_that_crosses_the_cap_is_split(acme: httpx.Client) -> None:
    kinds = ["High"] * 9 + ["Low"] * 2 + ["High"]
    user = {"email": "ann@people.test"}
    post(
        acme,
        [
            lead(
                f"lead-{number}",
                action(f"Kind {number}", f"2024-04-{number + 1:02d}T12:00:00Z", level),
                user=user,
            )
            for number, level in enumerate(kinds)
        ],
    )

    bill = report(acme, "acme", "2024-04")

    assert amounts(bill["totals"]) == ("104.00", "100.00", "0.00", "4.00")
    last = bill["lines"][-1]
    assert (last["gross"], last["billed"], last["savings"]["cap"]) == ("10.00", "6.00", "4.00")
    assert (last["outcome"], last["cap_used_before"]) == ("partially_capped", "94.00")
    assert "6.00 of 10.00 USD" in last["explanation"]


def test_action_behind_a_spent_cap_is_saved_whole(acme: httpx.Client) -> None:
    actions = [action(f"Kind {number}", "2024-04-02T12:00:00Z") for number in range(12)]
    post(acme, lead("lead-1", *actions))

    bill = report(acme, "acme", "2024-04")

    assert amounts(bill["totals"]) == ("120.00", "100.00", "0.00", "20.00")
    assert [line["outcome"] for line in bill["lines"]] == ["billed"] * 10 + ["capped"] * 2


def test_duplicate_uses_no_cap(acme: httpx.Client) -> None:
    repeats = [action(timestamp=f"2024-04-{day:02d}T12:00:00Z") for day in range(1, 21)]
    post(acme, lead("lead-1", *repeats, action("Call", "2024-04-28T12:00:00Z")))

    last = report(acme, "acme", "2024-04")["lines"][-1]

    assert (last["action_type"], last["billed"], last["cap_used_before"]) == (
        "Call",
        "10.00",
        "10.00",
    )


def test_cap_is_shared_across_products_and_anew_each_month_and_user(api: httpx.Client) -> None:
    register(api, products="abc def")
    ten = [action(f"Kind {number}", "2024-04-02T12:00:00Z") for number in range(10)]
    user = {"email": "ann@people.test"}
    post(
        api,
        [
            lead("lead-1", *ten, user=user),
            lead("lead-2", action("Call", "2024-04-03T12:00:00Z"), user=user, product_id="def"),
            lead("lead-3", action("Call", "2024-05-03T12:00:00Z"), user=user),
            lead("lead-4", action("Call", "2024-04-03T12:00:00Z")),
        ],
    )

    april = {line["lead_id"]: line["billed"] for line in report(api, "acme", "2024-04")["lines"]}
    may = report(api, "acme", "2024-05")

    assert (april["lead-2"], april["lead-4"]) == ("0.00", "10.00")
    assert may["totals"]["billed"] == "10.00"


def test_same_action_for_another_product_or_level_is_billed(api: httpx.Client) -> None:
    register(api, products="abc def")
    user = {"email": "ann@people.test"}
    post(
        api,
        [
            lead("lead-1", action(), user=user),
            lead("lead-2", action(), user=user, product_id="def"),
            lead("lead-3", action(engagement_level="Low"), user=user),
        ],
    )

    totals = report(api, "acme", "2024-04")["totals"]

    assert amounts(totals) == ("22.00", "22.00", "0.00", "0.00")


def test_repeat_of_an_action_is_saved_not_billed_however_it_is_spelt(acme: httpx.Client) -> None:
    post(
        acme,
        lead(
            "lead-1",
            action("Page View", "2024-04-01T10:00:00Z", "High"),
            action(" page   VIEW ", "2024-04-02T10:00:00Z", "hIGH"),
        ),
    )

    assert amounts(report(acme, "acme", "2024-04")["totals"]) == ("20.00", "10.00", "10.00", "0.00")


@pytest.mark.parametrize(
    ("one", "other", "is_one_user"),
    [
        ({"email": "Ann@X.test "}, {"email": "ann@x.test"}, True),
        ({"email": "ann@x.test", "phone": "1"}, {"email": "ann@x.test", "phone": "2"}, True),
        ({"phone": "+1 (555) 0100"}, {"phone": "+15550100"}, True),
        ({"phone": "+15550100"}, {"phone": "15550100"}, False),
        ({"phone": "15550100"}, {"external_id": "15550100"}, False),
        ({"external_id": " A "}, {"external_id": "A"}, True),
        ({"external_id": "A"}, {"external_id": "a"}, False),
    ],
)
def test_users_are_told_apart_by_the_first_thing_known_of_them(
    acme: httpx.Client, one: dict[str, str], other: dict[str, str], is_one_user: bool
) -> None:
    post(acme, [lead("lead-1", action(), user=one), lead("lead-2", action(), user=other)])

    billed = report(acme, "acme", "2024-04")["totals"]["billed"]

    assert billed == ("10.00" if is_one_user else "20.00")


def test_same_person_at_two_customers_is_two_users(api: httpx.Client) -> None:
    register(api, customers={"acme": "UTC", "beta": "UTC"})
    user = {"email": "ann@people.test"}
    post(
        api,
        [
            lead("lead-1", action(), user=user),
            lead("lead-2", action(), user=user, customer_id="beta"),
        ],
    )

    totals = api.get("/billing/reports").json()["totals"]

    assert amounts(totals) == ("20.00", "20.00", "0.00", "0.00")


def test_amounts_are_strings_of_exact_cents_in_every_answer(sample: httpx.Client) -> None:
    def numbers(value: object) -> list[float]:
        if isinstance(value, dict):
            return [found for member in value.values() for found in numbers(member)]
        if isinstance(value, list):
            return [found for item in value for found in numbers(item)]
        return [value] if isinstance(value, float) else []

    for path in ("/billing/reports", "/billing/reports/customer-123/2024-04", "/leads/uuid-1"):
        assert numbers(json.loads(sample.get(path).text)) == []
