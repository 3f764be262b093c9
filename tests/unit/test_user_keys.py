"""The key of a user: what it is made of never changes, or stored leads lose their users."""

from uuid import UUID

from common.identifiers import UserKind, customer_id, user_key
from common.normalization import email_key

SECRET = b"tests-only-key-of-at-least-32-characters"


def test_key_of_a_user_is_this_one_for_ever() -> None:
    key = user_key(SECRET, customer_id("acme"), UserKind.EMAIL, "ann@people.test")

    assert key == UUID("0233de7f-e7fa-28d4-353f-7cecadb084c7")


def test_kind_and_value_of_a_user_are_told_apart() -> None:
    acme = customer_id("acme")

    assert user_key(SECRET, acme, UserKind.LEAD, "x") != user_key(SECRET, acme, UserKind.EMAIL, "x")


def test_sharp_s_and_two_s_are_two_users() -> None:
    assert email_key("straße@people.test") != email_key("strasse@people.test")
