"""Times as people's files have them, read in a zone.

Invariant: a time is read in one way or refused: nothing is guessed.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from common.imports.mapping import Mapping

_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")
_YEAR_FIRST = re.compile(
    r"(?P<year>[0-9]{4})[-/.](?P<month>[0-9]{1,2})[-/.](?P<day>[0-9]{1,2})(?:[Tt ,]+(?P<time>.+))?"
)
_YEAR_LAST = re.compile(
    r"(?P<one>[0-9]{1,2})(?P<mark>[-/.])(?P<two>[0-9]{1,2})(?P=mark)(?P<year>[0-9]{4})"
    r"(?:[Tt ,]+(?P<time>.+))?"
)
_TIME = re.compile(
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)? ?(?P<offset>Z|z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH = re.compile(r"[0-9]{9,10}(?:\.[0-9]{1,6})?|[0-9]{12,13}")
MAX_LENGTH = 64
_EXAMPLES = "such as 2024-04-01T10:00:00Z, 2024-04-01 10:00 or seconds since 1970"


class UnreadableTime(ValueError):
    """A time that is refused: a stable code, and why in words."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class TimeReader:
    """Reads times by a mapping's zone, order of dates and format."""

    def __init__(self, mapping: Mapping) -> None:
        self._zone = None if mapping.time_zone is None else ZoneInfo(mapping.time_zone)
        self._order = mapping.date_order
        self._format = mapping.date_format

    def read(self, text: str) -> str:
        """The time as RFC 3339 with offset. Raises UnreadableTime."""
        if _INSTANT.fullmatch(text):
            return text
        try:
            moment = self._moment(text)
        except (ValueError, OverflowError) as error:
            if isinstance(error, UnreadableTime):
                raise
            raise UnreadableTime(
                "invalid_timestamp", f"is no time of this world: {error}"
            ) from None
        return moment.isoformat().replace("+00:00", "Z")

    def _moment(self, text: str) -> datetime:
        if len(text) > MAX_LENGTH:
            raise UnreadableTime("invalid_timestamp", f"must be a time, {_EXAMPLES}")
        if self._format is not None:
            try:
                return self._placed(datetime.strptime(text, self._format))  # noqa: DTZ007
            except UnreadableTime:
                raise
            except (ValueError, re.error):
                pass  # a file may have times of several forms
        if _EPOCH.fullmatch(text):
            seconds = float(text) / (1 if len(text.partition(".")[0]) <= 10 else 1000)
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        found = _YEAR_FIRST.fullmatch(text)
        if found is not None:
            year, month, day = found["year"], found["month"], found["day"]
        else:
            found = _YEAR_LAST.fullmatch(text)
            if found is None:
                raise UnreadableTime("invalid_timestamp", f"must be a time, {_EXAMPLES}")
            year, (month, day) = found["year"], self._month_and_day(found)
        time = _TIME.fullmatch((found["time"] or "00:00").strip())
        if time is None:
            raise UnreadableTime("invalid_timestamp", f"must be a time, {_EXAMPLES}")
        moment = datetime(int(year), int(month), int(day), *_clock(time))  # noqa: DTZ001
        return self._placed(_with_offset(moment, time["offset"]))

    def _month_and_day(self, found: re.Match[str]) -> tuple[str, str]:
        order = "dmy" if found["mark"] == "." else self._order
        if order is None:
            raise UnreadableTime(
                "ambiguous_date", "may be day or month first: name `date_order` in the mapping"
            )
        return (found["two"], found["one"]) if order == "dmy" else (found["one"], found["two"])

    def _placed(self, moment: datetime) -> datetime:
        """The moment in the mapping's zone, where it has no offset of its own.

        Of an hour that a clock shows twice, the first one is meant.
        """
        if moment.tzinfo is not None:
            return moment
        if self._zone is None:
            raise UnreadableTime(
                "timestamp_without_offset", "has no offset: name `time_zone` in the mapping"
            )
        placed = moment.replace(tzinfo=self._zone)
        if placed.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) != moment:
            raise UnreadableTime(
                "invalid_timestamp", f"is left out by the clocks of {self._zone.key}"
            )
        return placed.astimezone(UTC)


def _clock(time: re.Match[str]) -> tuple[int, int, int, int]:
    hour, half = int(time["hour"]), (time["half"] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError("an hour before AM or PM is 1 to 12")
        hour = hour % 12 + (12 if half == "p" else 0)
    fraction = (time["fraction"] or "0")[:6].ljust(6, "0")
    return hour, int(time["minute"]), int(time["second"] or 0), int(fraction)


def _with_offset(moment: datetime, offset: str | None) -> datetime:
    if offset is None:
        return moment
    minutes = 0
    if offset[0] in "+-":
        minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    away = timedelta(minutes=-minutes if offset[0] == "-" else minutes)
    return moment.replace(tzinfo=timezone(away))
