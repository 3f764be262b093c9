"""Masked users, for files: they can be told apart, but not contacted.

Invariant: an email keeps its first letter and its domain, a phone number its first and its
last two digits.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from common.rating.line import Line
from common.reports.model import Group, Report

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


def with_masked_users(report: Report) -> Report:
    """The same report with every user masked; its lines stay a stream."""
    by_user = [_masked_group(group) for group in report.parts.by_user]
    by_lead = [_masked_group(group) for group in report.parts.by_lead]
    return replace(
        report,
        parts=report.parts._replace(by_user=by_user, by_lead=by_lead),
        lines=_masked_lines(report.lines),
        prior_period=list(_masked_lines(report.prior_period)),
    )


def _masked_lines(lines: Iterable[Line]) -> Iterator[Line]:
    return (
        line if line.user is None else line._replace(user=masked_user(line.user)) for line in lines
    )


def _masked_group(group: Group) -> Group:
    user = group.members["user"]
    return (
        group
        if user is None
        else replace(group, members=group.members | {"user": masked_user(user)})
    )
