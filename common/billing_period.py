"""Billing periods: calendar months; and instants, as JSON carries them and as people read them."""

import re
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime
from typing import Self
from zoneinfo import ZoneInfo

PERIOD_PATTERN = r"^([0-9]{4})-(0[1-9]|1[0-2])$"  # 0000 is none, too
_PERIOD = re.compile(PERIOD_PATTERN)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A calendar month in a customer's time zone (docs/billing-rules.md, Period)."""

    start: date

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "2024-04". Raises ValueError on anything else."""
        match = _PERIOD.fullmatch(text)
        if match is None or match[1] == "0000":
            raise ValueError("a period is a month such as 2024-04")
        return cls(date(int(match[1]), int(match[2]), 1))

    def __str__(self) -> str:
        return self.start.isoformat()[:7]

    @property
    def end(self) -> date:
        """The first day of the next month; the last month there is ends with the calendar."""
        if self.start.month < 12:
            return self.start.replace(month=self.start.month + 1)
        return date(self.start.year + 1, 1, 1) if self.start.year < MAXYEAR else date.max

    @property
    def before(self) -> Self:
        """The month before; the first there is has none. Raises ValueError."""
        last_day = self.start.toordinal() - 1
        if not last_day:
            raise ValueError("no month comes before the first")
        return type(self)(date.fromordinal(last_day).replace(day=1))

    @property
    def name(self) -> str:
        """For people: "April 2024"."""
        return f"{self.start:%B} {self.start.year}"


def first_open_month(closed_through: date) -> date:
    """The month that late actions and credits of closed months stand on."""
    return Period(closed_through).end


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC, as JSON carries it."""
    return moment.isoformat().replace("+00:00", "Z")


def local(moment: datetime, zone: ZoneInfo) -> str:
    """A moment in a zone, to the second; with the offset in the hour that occurs twice."""
    there = moment.astimezone(zone)
    is_twice = there.utcoffset() != there.replace(fold=1 - there.fold).utcoffset()
    return f"{there:%Y-%m-%d %H:%M:%S}" + (there.isoformat()[-6:] if is_twice else "")
