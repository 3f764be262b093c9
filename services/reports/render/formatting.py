"""Amounts, times, names and addresses of a report as people read them."""

from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from common.billing_period import Period
from common.money import amount
from common.rating.totals import Totals
from common.reports.model import Group


def money(cents: int) -> str:
    """With thousands separators and a real minus sign: 123456 is "1,234.56"."""
    whole, fraction = amount(abs(cents)).split(".")
    sign = "\u2212" if cents < 0 else ""
    return f"{sign}{int(whole):,}.{fraction}"


def local(moment: datetime, zone: ZoneInfo) -> str:
    """A moment in a zone, to the second; with the offset in the hour that occurs twice."""
    there = moment.astimezone(zone)
    is_twice = there.utcoffset() != there.replace(fold=1 - there.fold).utcoffset()
    return f"{there:%Y-%m-%d %H:%M:%S}" + (there.isoformat()[-6:] if is_twice else "")


def cut(groups: list[Group], most: int) -> tuple[list[Group], int, Totals]:
    """The first groups, the number of the others, and the totals of the others."""
    others = Totals()
    for group in groups[most:]:
        others = others.plus(group.totals)
    return groups[:most], len(groups[most:]), others


def report_path(customer_id: str, period: Period) -> str:
    """The path of a report, without extension."""
    return f"/billing/reports/{quote(customer_id, safe='')}/{period}"


def user_name(user: str | None, user_key: str) -> str:
    """A user and the start of their key: two masked users may look the same."""
    return "no user identified" if user is None else f"{user} · {user_key[:6]}"


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 line", "2,000 lines"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
