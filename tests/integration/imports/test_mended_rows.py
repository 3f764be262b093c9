"""Refused rows, mended and sent again, complete the bill of their file."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from tests.support.api import Wire, register, report
from tests.support.imports import GENERIC_HEADER, csv_of, generic_row

LEVELS = ("High", "Medium", "Low")
Write = Callable[[Sequence[list[str]]], bytes]


@pytest.fixture
def partners(api: httpx.Client) -> httpx.Client:
    register(api, customers={"acme": "UTC", "beta": "UTC"})
    return api


def rows_of_a_month() -> list[list[str]]:
    """Two actions a lead, half of which repeat those of another."""
    return [
        generic_row(
            f"+{number // 2}",
            email=f"user-{number // 2 % 3}@people.test",
            action_type=f'-"{number % 5}"\n, form',
            timestamp=f"2024-04-02T10:{number:02}:00Z",
            engagement_level=LEVELS[number % 3],
        )
        for number in range(60)
    ]


def as_csv(rows: Sequence[list[str]]) -> bytes:
    return csv_of([GENERIC_HEADER, *rows])


def as_other_csv(rows: Sequence[list[str]]) -> bytes:
    return csv_of([GENERIC_HEADER, *rows], "utf-16", delimiter="\t", quoting=1)


def as_lines(rows: Sequence[list[str]]) -> bytes:
    members = (dict(zip(GENERIC_HEADER, row, strict=True)) for row in rows)
    return "\n".join(map(json.dumps, members)).encode()


def as_posted(rows: Sequence[list[str]]) -> bytes:
    """Leads as they are posted, each with its actions."""
    leads: dict[str, Wire] = {}
    for row in rows:
        cells = dict(zip(GENERIC_HEADER, row, strict=True))
        action = {name: cells.pop(name) for name in GENERIC_HEADER[-3:]}
        user = {"email": cells.pop("email")}
        lead = {**cells, "user": user, "actions": []}
        leads.setdefault(cells["lead_id"], lead)["actions"].append(action)
    return json.dumps(list(leads.values())).encode()


def imported(client: httpx.Client, content: bytes, mapping: Any) -> Any:
    answer = client.post("/imports", params={"mapping": json.dumps(mapping)}, content=content)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("write", "given"),
    [
        (as_csv, {}),
        (as_other_csv, {}),
        (as_other_csv, {"delimiter": "\t", "encoding": "utf-16"}),
        (as_lines, {}),
        (as_lines, {"delimiter": "\t", "quote": "'"}),
        (as_posted, {}),
        (as_posted, {"delimiter": ";"}),
    ],
)
def test_mended_rows_complete_the_bill(partners: httpx.Client, write: Write, given: Wire) -> None:
    to_acme, to_beta = (given | {"constants": {"customer_id": name}} for name in ("acme", "beta"))
    rows = rows_of_a_month()
    broken = [[*row[:-1], f"so {row[-1]}"] if at % 3 else row for at, row in enumerate(rows)]

    first = imported(partners, write(broken), to_acme)
    refused = partners.get(f"/imports/{first['import_id']}/refused.csv").raise_for_status()
    second = imported(partners, refused.text.replace("so ", "").encode(), to_acme)
    imported(partners, write(rows), to_beta)

    assert first["counts"]["invalid"] > 0
    assert second["counts"]["invalid"] == second["counts"]["conflict"] == 0
    mended, whole = (report(partners, name, "2024-04") for name in ("acme", "beta"))
    assert mended["totals"] == whole["totals"]
    assert mended["totals"]["savings"]["duplicate"] != "0.00"
