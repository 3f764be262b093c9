"""Amounts, names and addresses of a report as people read them."""

from operator import sub
from urllib.parse import quote

from common.billing_period import Period
from common.money import amount
from common.rating.line import Totals, sum_of
from common.reports.model import Group


def money(cents: int) -> str:
    """With thousands separators and a real minus sign: 123456 is "1,234.56"."""
    whole, fraction = amount(abs(cents)).split(".")
    sign = "\u2212" if cents < 0 else ""
    return f"{sign}{int(whole):,}.{fraction}"


def cut(
    groups: list[Group], most: int, whole: Totals, count: int | None = None
) -> tuple[list[Group], int, Totals]:
    """The first groups, the number of the others, and the totals of the others.

    `whole` is what all `count` of them come to, where `groups` are only the first.
    """
    shown = groups[:most]
    others = Totals._make(map(sub, whole, sum_of(group.totals for group in shown)))
    return shown, (len(groups) if count is None else count) - len(shown), others


def report_path(customer_id: str, period: Period) -> str:
    """The path of a report, without extension."""
    return f"/billing/reports/{quote(customer_id, safe='')}/{period}"


def user_name(user: str | None, has_user: bool) -> str:
    """A user, or why there is no name: the leads have no user, or the user was erased."""
    if user is not None:
        return user
    return "erased" if has_user else "no user"


def user_with_key(user: str | None, has_user: bool, user_key: str) -> str:
    """A user and the start of their key: two masked or erased users look the same."""
    name = user_name(user, has_user)
    return f"{name} · {user_key[:6]}" if has_user else name


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 line", "2,000 lines"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
