"""Masked users: they can be told apart, but not contacted.

Invariant: an email keeps its first letter and its domain, a phone number its first and its
last two digits; as masked_user in alembic/sql/functions.sql.
"""

import re

from common.database.transactions import sees_people

_PHONE = re.compile(r"(\+?)([0-9])[0-9]{3,}([0-9]{2})")


def masked_user(user: str) -> str:
    """A user without the contact details: "j***@yahoo.com", "+1 *** **89".

    An external id is shown as it is, unless it looks like an email or a phone number.
    """
    name, at, domain = user.rpartition("@")
    if at:
        return f"{name[:1]}***@{domain}"
    phone = _PHONE.fullmatch(user)
    return f"{phone[1]}{phone[2]} *** **{phone[3]}" if phone else user


def shown_user(user: str | None) -> str | None:
    """A user as the request may see them."""
    return user if user is None or sees_people() else masked_user(user)
