"""GET /billing/reports and a report's parts: filters, pages, totals and breakdowns."""

import httpx
import pytest

from common.identifiers import customer_id
from tests.support.api import Wire, action, amounts, lead, post, register, report
from tests.support.pages import pages

# --- GET /billing/reports


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [("beta", "2024-05"), ("acme", "2024-04")]),
        ({"customer_id": "acme"}, [("acme", "2024-04")]),
        ({"customer_id": str(customer_id("beta"))}, [("beta", "2024-05")]),
        ({"period": "2024-05"}, [("beta", "2024-05")]),
        ({"period": "2024-06"}, []),
        ({"status": "draft", "period": "2024-04"}, [("acme", "2024-04")]),
        ({"status": "final"}, []),
        ({"from": "2024-05-01"}, [("beta", "2024-05")]),
        ({"to": "2024-04-01T10:00:00Z"}, []),
        ({"to": "2024-04-01T10:00:01Z"}, [("acme", "2024-04")]),
        ({"period": "2024-04", "from": "2024-05-01"}, []),
    ],
)
def test_filter_of_reports(
    two_customers: httpx.Client, query: Wire, expected: list[tuple[str, str]]
) -> None:
    listed = two_customers.get("/billing/reports", params=query).json()["data"]

    assert [(entry["customer_id"], entry["period"]) for entry in listed] == expected


@pytest.mark.parametrize(
    "query", [{"period": "2024-13"}, {"period": "0000-01"}, {"period": "x"}, {"status": "open"}]
)
def test_refused_filter_of_reports_is_422(two_customers: httpx.Client, query: Wire) -> None:
    assert two_customers.get("/billing/reports", params=query).status_code == 422


def test_range_shows_lines_as_the_whole_month_rated_them(acme: httpx.Client) -> None:
    post(acme, [lead("l1", action(timestamp=f"2024-04-{day:02d}T00:00:00Z")) for day in (1, 9)])

    query = {"from": "2024-04-05", "to": "2024-04-10"}
    (entry,) = acme.get("/billing/reports", params=query).json()["data"]

    assert amounts(entry["totals"]) == ("10.00", "0.00", "10.00", "0.00")


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_pages_of_reports_repeat_and_skip_nothing(api: httpx.Client, limit: int) -> None:
    register(api, customers={"acme": "UTC", "beta": "Asia/Kolkata", "gamma": "UTC"})
    post(
        api,
        [
            lead(f"{who}-{month}", action(timestamp=f"2024-{month}-09T00:00:00Z"), customer_id=who)
            for who in ("acme", "beta", "gamma")
            for month in ("01", "02", "03")
        ],
    )

    paged = [
        (entry["period"], entry["customer_id"])
        for entry in pages(api, "/billing/reports", limit=limit)
    ]

    assert paged == [
        (f"2024-{month}", who) for month in ("03", "02", "01") for who in ("acme", "beta", "gamma")
    ]


def test_totals_of_the_list_are_over_all_pages(two_customers: httpx.Client) -> None:
    first = two_customers.get("/billing/reports", params={"limit": 1}).json()

    assert (len(first["data"]), first["totals"]["actions"]) == (1, 3)


# --- GET /billing/reports/{customer_id}/{period}


def test_breakdowns_of_a_report_name_their_parts(two_customers: httpx.Client) -> None:
    bill = report(two_customers, "acme", "2024-04")

    assert [part["product_id"] for part in bill["by_product"]] == ["def", "abc"]
    assert [part["lead_type"] for part in bill["by_lead_type"]] == ["Website Visit"]
    assert [part["user"] for part in bill["by_user"]] == ["+15550100", "ann@people.test"]
    assert [part["lead_id"] for part in bill["by_lead"]] == ["l2", "l1"]
    assert (bill["status"], bill["timezone"]) == ("draft", "America/New_York")


def test_pages_of_lines_repeat_and_skip_nothing(acme: httpx.Client) -> None:
    post(acme, lead("l1", *[action(f"Kind {n % 5}") for n in range(11)]))
    whole = report(acme, "acme", "2024-04")

    lines: list[Wire] = []
    query: Wire = {"limit": 3}
    while query.get("cursor", "") is not None:
        page = acme.get("/billing/reports/acme/2024-04/lines", params=query).json()
        lines += page["data"]
        query["cursor"] = page["next_cursor"]

    assert lines == whole["lines"]


def test_month_without_actions_is_an_empty_report(acme: httpx.Client) -> None:
    bill = report(acme, "acme", "2024-04")

    assert (amounts(bill["totals"]), bill["lines"]) == (("0.00", "0.00", "0.00", "0.00"), [])
    assert acme.get("/billing/reports/acme/2024-04.html").status_code == 200
    assert acme.get("/billing/reports/acme/2024-04.csv").text.count("\r\n") == 1


@pytest.mark.parametrize("period", ["0001-01", "9999-12", "2024-04"])
@pytest.mark.parametrize("extension", ["json", "csv", "html"])
def test_first_and_last_month_there_is_can_be_asked_for(
    acme: httpx.Client, period: str, extension: str
) -> None:
    answer = acme.get(f"/billing/reports/acme/{period}.{extension}")

    assert answer.status_code == 200


def test_report_of_the_first_month_there_is_can_be_read(api: httpx.Client) -> None:
    register(api, customers={"acme": "Pacific/Honolulu"})
    early = "0001-01-02T00:00:00Z"
    post(api, lead("l1", action(timestamp=early), created_at=early)).raise_for_status()

    for extension in ("json", "csv", "html"):
        assert api.get(f"/billing/reports/acme/0001-01.{extension}").status_code == 200
