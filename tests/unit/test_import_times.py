"""Times as people's files have them."""

from typing import Any

import pytest

from common.imports.mapping import Mapping
from common.imports.times import TimeReader, UnreadableTime

BERLIN = {"time_zone": "Europe/Berlin"}


def read(text: str, **mapping: Any) -> str:
    return TimeReader(Mapping.model_validate(mapping)).read(text)


@pytest.mark.parametrize(
    ("text", "mapping", "expected"),
    [
        ("2024-04-01T10:00:00Z", {}, "2024-04-01T10:00:00Z"),
        ("2024-04-01T10:00:00.5+02:00", {}, "2024-04-01T10:00:00.5+02:00"),
        ("2015-02-28T08:49:14+0000", {}, "2015-02-28T08:49:14Z"),
        ("2015-02-28T08:49:14.000+0530", {}, "2015-02-28T08:49:14+05:30"),
        ("2024-06-01 08:12:34 -0330", {}, "2024-06-01T08:12:34-03:30"),
        ("2024-06-01 08:12:34 UTC", {}, "2024-06-01T08:12:34Z"),
        ("1425113354", {}, "2015-02-28T08:49:14Z"),
        ("1425113354.25", {}, "2015-02-28T08:49:14.250000Z"),
        ("1425113354000", {}, "2015-02-28T08:49:14Z"),
        ("2024-06-01 08:12:34", BERLIN, "2024-06-01T06:12:34Z"),
        ("2024-03-12 09:14", BERLIN, "2024-03-12T08:14:00Z"),
        ("2024-03-12", BERLIN, "2024-03-11T23:00:00Z"),
        ("2024/3/2 9:05", BERLIN, "2024-03-02T08:05:00Z"),
        ("15.03.2024 14:30", BERLIN, "2024-03-15T13:30:00Z"),
        ("3/15/2024 2:30 PM", BERLIN | {"date_order": "mdy"}, "2024-03-15T13:30:00Z"),
        ("3/4/2024, 12:05 a.m.", BERLIN | {"date_order": "mdy"}, "2024-03-03T23:05:00Z"),
        ("3/4/2024 12:00 PM", {"time_zone": "UTC", "date_order": "dmy"}, "2024-04-03T12:00:00Z"),
        ("04/03/24", BERLIN | {"date_format": "%d/%m/%y"}, "2024-03-03T23:00:00Z"),
        ("1. Mar 2024", BERLIN | {"date_format": "%d. %b %Y"}, "2024-02-29T23:00:00Z"),
        # The hour that the clock shows twice: the first one.
        ("2024-10-27 02:30", BERLIN, "2024-10-27T00:30:00Z"),
    ],
)
def test_time_is_read(text: str, mapping: dict[str, Any], expected: str) -> None:
    assert read(text, **mapping) == expected


@pytest.mark.parametrize(
    ("text", "mapping", "code"),
    [
        ("2024-06-01 08:12:34", {}, "timestamp_without_offset"),
        ("3/4/2024", BERLIN, "ambiguous_date"),
        ("2024-03-31 02:30", BERLIN, "invalid_timestamp"),  # the clocks leave it out
        ("2024-02-30 10:00", BERLIN, "invalid_timestamp"),
        ("2024-02-20 25:00", BERLIN, "invalid_timestamp"),
        ("2024-02-20 13:00 PM", BERLIN, "invalid_timestamp"),
        ("15/3/2024", BERLIN | {"date_order": "mdy"}, "invalid_timestamp"),
        ("yesterday", BERLIN, "invalid_timestamp"),
        ("45123.5", BERLIN, "invalid_timestamp"),
        ("0001-01-01 00:00", {"time_zone": "Asia/Tokyo"}, "invalid_timestamp"),
        ("٢٠٢٤-٠٣-١٢", BERLIN, "invalid_timestamp"),
        ("1" * 100_000, BERLIN, "invalid_timestamp"),
    ],
)
def test_time_that_may_mean_several_or_none_is_refused(
    text: str, mapping: dict[str, Any], code: str
) -> None:
    with pytest.raises(UnreadableTime) as refused:
        read(text, **mapping)

    assert refused.value.code == code
