"""The pure parts: amounts, periods, ids, users and the words of a line."""

import uuid
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import identifiers
from common.billing_period import Period, local
from common.identifiers import UserKind
from common.money import amount
from common.normalization import folded_label
from services.reports.api.pagination import from_cursor, to_cursor
from tests.support import oracle
from tests.support.properties import examples
from tests.support.reports import NOON, line


@pytest.mark.parametrize(
    ("cents", "text"),
    [(0, "0.00"), (5, "0.05"), (1200, "12.00"), (-705, "-7.05"), (10**15 + 1, "10000000000000.01")],
)
def test_amounts_are_exact_at_any_size(cents: int, text: str) -> None:
    assert amount(cents) == text


@pytest.mark.parametrize(
    ("month", "end"),
    [("2024-04", "2024-05-01"), ("2024-12", "2025-01-01"), ("9999-12", "9999-12-31")],
)
def test_period_ends_where_the_next_month_begins(month: str, end: str) -> None:
    period = Period.parse(month)

    assert (str(period), period.end.isoformat()) == (month, end)


@pytest.mark.parametrize(
    "text", ["", "2024", "2024-4", "2024-13", "2024-00", "0000-01", "2024-04-01", "\uff12024-04"]
)
def test_what_is_no_month_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="month"):
        Period.parse(text)


def test_full_price_is_explained() -> None:
    assert line(cap_used_before_cents=700).explanation("UTC") == (
        "Charged in full: 10.00 USD. 17.00 of this user's 100.00 USD monthly cap are now used."
    )
    assert line(cap_used_before_cents=700, has_user=False, user=None).explanation("UTC") == (
        "Charged in full: 10.00 USD. 17.00 of the 100.00 USD monthly cap are now used (leads "
        "without a user share one cap)."
    )


_DUPLICATE = line(
    billed_cents=0,
    duplicate_cents=1000,
    duplicate_of_lead_id="l1",
    duplicate_of_action_id="a1",
    duplicate_of_timestamp=NOON,
)


def test_duplicate_is_explained_by_its_original() -> None:
    assert _DUPLICATE.explanation("UTC") == (
        "Not charged; you save 10.00 USD. Duplicate of Call (High) of lead l1 on 2024-04-02 "
        "12:00:00 UTC: the same user, product, action type and level in the same month."
    )


def test_duplicate_of_leads_without_a_user_names_no_user() -> None:
    assert (
        _DUPLICATE._replace(user=None, has_user=False)
        .explanation("UTC")
        .endswith(
            ": the same product, action type and level in the same month; leads without a user "
            "count as one user."
        )
    )


def test_explanation_has_the_time_that_the_original_has_on_the_report() -> None:
    sentence = _DUPLICATE.explanation("Asia/Tokyo")

    assert f" on {local(NOON, ZoneInfo('Asia/Tokyo'))} Asia/Tokyo: " in sentence
    assert " 2024-04-02 21:00:00 " in sentence


def test_split_is_explained_by_its_arithmetic() -> None:
    split = line(billed_cents=600, cap_cents=400, cap_used_before_cents=9400, has_user=False)

    assert split.explanation("UTC") == (
        "Charged in part: 6.00 of 10.00 USD; you save 4.00 USD. 94.00 of the 100.00 USD monthly "
        "cap were already used (leads without a user share one cap)."
    )


def test_spent_cap_is_explained_also_of_a_user_who_was_erased() -> None:
    capped = line(billed_cents=0, cap_cents=1000, cap_used_before_cents=10_000, user=None)

    assert capped.explanation("UTC") == (
        "Not charged; you save 10.00 USD. All of this user's 100.00 USD monthly cap was already "
        "used."
    )


@examples(200)
@given(st.text(min_size=1, max_size=128))
def test_any_text_is_an_id_and_always_the_same_one(text: str) -> None:
    customer = identifiers.customer_id(text)
    found = identifiers.lead_id(customer, text)

    assert found == identifiers.lead_id(customer, text)
    assert found == oracle.lead_uuid(text, text)


@examples(50)
@given(st.uuids(), st.uuids(), st.uuids())
def test_lead_is_another_one_at_another_customer_whatever_form_its_id_has(
    one: uuid.UUID, other: uuid.UUID, external_id: uuid.UUID
) -> None:
    keys = [identifiers.lead_id(customer, str(external_id)) for customer in {one, other}]

    assert len(set(keys)) == len({one, other})
    assert external_id not in keys
    assert identifiers.lead_ids(one, str(external_id)) == [
        identifiers.lead_id(one, str(external_id)),
        external_id,
    ]


@examples(50)
@given(st.uuids())
def test_canonical_uuid_is_its_own_key_in_any_case(key: uuid.UUID) -> None:
    assert identifiers.customer_id(str(key)) == identifiers.customer_id(str(key).upper()) == key
    assert identifiers.customer_id(key.hex) != key


def test_one_text_is_another_id_for_each_kind_of_thing() -> None:
    keys = [
        identifiers.customer_id("x"),
        identifiers.product_id("x"),
        identifiers.lead_id(identifiers.customer_id("x"), "x"),
    ]

    assert len(set(keys)) == 3


def test_user_key_depends_on_secret_customer_kind_and_value() -> None:
    one, other = uuid.UUID(int=1), uuid.UUID(int=2)
    keys = [
        identifiers.user_key(b"a" * 32, one, UserKind.PHONE, "1"),
        identifiers.user_key(b"b" * 32, one, UserKind.PHONE, "1"),
        identifiers.user_key(b"a" * 32, other, UserKind.PHONE, "1"),
        identifiers.user_key(b"a" * 32, one, UserKind.EMAIL, "1"),
        identifiers.user_key(b"a" * 32, one, UserKind.PHONE, "2"),
        identifiers.user_key(b"a" * 32, one, UserKind.NOBODY),
    ]

    assert len(set(keys)) == len(keys)


@examples(200)
@given(st.text(max_size=20))
def test_action_types_are_folded_as_the_rules_say(text: str) -> None:
    assert folded_label(text) == oracle.fold(text)
    assert folded_label(f"  {text}\t") == folded_label(text)


@examples(100)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_cursor_leads_back_to_its_place(place: str) -> None:
    assert from_cursor(to_cursor(place, "a list"), str, "a list") == place
