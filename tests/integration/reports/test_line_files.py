"""Files of a report's lines, CSV and NDJSON: all lines, from one rating, in little memory."""

import csv
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from common.billing_period import Period
from common.database.transactions import snapshot
from common.reports.lines import LineFile, line_file
from common.reports.months import find_month
from services.reports.api.schemas.lines import FileLine
from services.reports.render import as_csv, as_ndjson
from tests.support.api import action, lead, post
from tests.support.statements import sent_statements

APRIL = "/billing/reports/acme/2024-04"
RENDERERS = {"csv": as_csv.render, "ndjson": as_ndjson.render}


@pytest.fixture(params=["draft", "final"])
def april_with_late_lines(acme: httpx.Client, request: pytest.FixtureRequest) -> httpx.Client:
    """April, open or closed, with lines of its own and two of March."""
    post(acme, lead("l0", action("First", "2024-03-01T10:00:00Z"))).raise_for_status()
    close(acme, "2024-03")
    late = [action(f"Late {n}", f"2024-03-{n}T10:00:00Z") for n in (10, 11)]
    own = [action(f"Own {n}", f"2024-04-{n}T10:00:00Z") for n in (10, 11, 12)]
    post(acme, lead("l1", *late, *own, user={"email": "ann@people.test"})).raise_for_status()
    if request.param == "final":
        close(acme, "2024-04")
    return acme


def close(client: httpx.Client, period: str) -> None:
    client.post(f"/billing/periods/{period}/close").raise_for_status()


def fill(client: httpx.Client, period: str, lines: int) -> None:
    at = f"{period}-10T10:00:00Z"
    leads = [
        lead(f"{period}-{first}", *(action(f"Kind {n}", at, "Low") for n in range(500)))
        for first in range(0, lines, 500)
    ]
    post(client, leads).raise_for_status()


def objects(answer: httpx.Response) -> list[Any]:
    answer.raise_for_status()
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(row) for row in answer.text.splitlines()]


def test_ndjson_has_an_object_for_each_line_prior_periods_first(
    april_with_late_lines: httpx.Client,
) -> None:
    header = april_with_late_lines.get(APRIL).json()

    lines = objects(april_with_late_lines.get(f"{APRIL}.ndjson", params={"unmasked": True}))

    assert [line.pop("period") for line in lines] == ["2024-03"] * 2 + ["2024-04"] * 3
    prior = [
        {name: value for name, value in line.items() if name not in {"period", "rate_card"}}
        for line in header["prior_period"]["lines"]
    ]
    assert lines == prior + header["lines"]


def test_ndjson_comes_by_accept_and_masks_who_could_be_reached(
    april_with_late_lines: httpx.Client,
) -> None:
    accept = {"accept": "application/x-ndjson"}

    lines = objects(april_with_late_lines.get(APRIL, headers=accept))

    assert {line["user"] for line in lines} == {"a***@people.test"}
    for line in lines:
        FileLine.model_validate(line, strict=False)


def test_csv_and_ndjson_hold_the_same_lines(april_with_late_lines: httpx.Client) -> None:
    table = april_with_late_lines.get(f"{APRIL}.csv").content.decode("utf-8-sig")

    rows = list(csv.DictReader(io.StringIO(table, newline="")))

    found = objects(april_with_late_lines.get(f"{APRIL}.ndjson"))
    assert [row["action_id"] for row in rows] == [line["action_id"] for line in found]
    assert [row["billed"] for row in rows] == [line["billed"] for line in found]


@pytest.mark.parametrize("extension", ["csv", "ndjson", "pdf"])
def test_file_rates_once(april_with_late_lines: httpx.Client, extension: str) -> None:
    status = april_with_late_lines.get(APRIL).json()["status"]

    with sent_statements() as sent:
        april_with_late_lines.get(f"{APRIL}.{extension}").raise_for_status()

    rating = [statement for statement in sent if "original_lead_id" in statement]
    assert len(rating) == (1 if status == "draft" else 0)


@pytest.mark.parametrize("status", ["draft", "final"])
def test_ten_times_the_lines_take_no_more_memory(acme: httpx.Client, status: str) -> None:
    sizes = {"2024-04": 2_000, "2024-05": 20_000}
    for period, lines in sizes.items():
        fill(acme, period, lines)
        if status == "final":
            close(acme, period)

    for name, render in RENDERERS.items():
        peaks = [_peak(render, period, lines) for period, lines in sizes.items()]
        assert peaks[1] < 1.5 * peaks[0], name


def _peak(render: Callable[[LineFile], Iterator[bytes]], period: str, lines: int) -> int:
    """The most bytes that were in use while the file of a month of so many lines was made."""
    with snapshot() as session:
        month = find_month(session, "acme", Period.parse(period))
        tracemalloc.start()
        rows = sum(piece.count(b"\n") for piece in render(line_file(session, month)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert rows == lines + (render is as_csv.render)
    return peak
