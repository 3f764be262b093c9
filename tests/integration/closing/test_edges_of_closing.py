"""The first and last moment of a closed month, and what closing takes from one customer alone."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from common.billing_period import Period
from common.closing.runs import _require_over_somewhere
from common.problems import Conflict
from tests.support.api import action, lead, post, register, report
from tests.support.closing import USER, closed, execute
from tests.support.rate_cards import accepted, card


def test_first_instant_of_the_next_month_is_not_late(api: httpx.Client) -> None:
    register(api, customers={"acme": "Europe/Berlin"})
    post(api, lead("l-1", action(timestamp="2024-04-30T23:59:59.999999+02:00"), user=USER))
    closed(api, "2024-04")
    post(api, lead("l-2", action("Share", "2024-05-01T00:00:00+02:00"), user=USER))

    draft = report(api, "acme", "2024-05")
    closed(api, "2024-05")
    final = report(api, "acme", "2024-05")

    for each in (draft, final):
        assert [line["lead_id"] for line in each["lines"]] == ["l-2"]
        assert (each["prior_period"]["lines"], each["due"]) == ([], "10.00")


def test_late_repeat_names_the_charged_action_and_not_an_earlier_duplicate(
    api: httpx.Client,
) -> None:
    register(api)
    for lead_id, day, closes in (("charged", 10, "2024-04"), ("earlier", 5, "2024-05")):
        post(api, lead(lead_id, action(timestamp=f"2024-04-{day:02}T10:00:00Z"), user=USER))
        closed(api, closes)
    post(api, lead("repeat", action(timestamp="2024-04-20T10:00:00Z"), user=USER))

    (line,) = report(api, "acme", "2024-06")["prior_period"]["lines"]

    assert (line["lead_id"], line["outcome"]) == ("repeat", "duplicate")
    assert line["duplicate_of"]["lead_id"] == "charged"


@pytest.mark.parametrize(
    ("moment", "is_over"),
    [("2024-04-30T10:00:00+00:00", True), ("2024-04-30T09:59:59+00:00", False)],
)
def test_month_is_over_once_it_is_in_kiritimati(moment: str, is_over: bool) -> None:
    result = SimpleNamespace(scalar_one=lambda: datetime.fromisoformat(moment))
    clock: Any = SimpleNamespace(execute=lambda _query: result)

    if is_over:
        _require_over_somewhere(clock, Period.parse("2024-04"))
    else:
        with pytest.raises(Conflict):
            _require_over_somewhere(clock, Period.parse("2024-04"))


def test_final_report_keeps_the_names_of_its_own_products_alone(api: httpx.Client) -> None:
    register(api, products="abc bcd")
    post(api, lead("l-1", action(), product_id="abc")).raise_for_status()
    closed(api, "2024-04")

    assert execute("select product_names from billing_reports")[0][0] == {"abc": "abc"}


def test_report_of_another_customer_does_not_stand_in_the_way_of_a_card(api: httpx.Client) -> None:
    register(api, customers={"acme": "UTC", "beta": "UTC"})
    post(api, lead("l-1", action())).raise_for_status()
    closed(api, "2024-04", "acme")

    accepted(api, card(customer_id="beta", valid_from="2024-04"))


def test_card_that_charges_duplicates_closes_as_its_draft(api: httpx.Client) -> None:
    register(api)
    accepted(
        api, card(customer_id="acme", valid_from="2024-04", duplicates_charged_for=["Webinar"])
    )
    for number in (1, 2):
        of_webinar = lead(f"l-{number}", action(), user=USER, lead_type="Webinar")
        post(api, of_webinar).raise_for_status()

    draft = report(api, "acme", "2024-04")
    closed(api, "2024-04")

    assert (draft["due"], report(api, "acme", "2024-04")["due"]) == ("20.00", "20.00")


@pytest.mark.usefixtures("configured_database")
def test_outcome_of_a_line_is_what_it_billed_of_its_price() -> None:
    rows = execute(
        "select line_outcome(is_duplicate, 1000, billed)::text"
        " from (values (false, 1000), (false, 1), (false, 0), (true, 0))"
        " as line (is_duplicate, billed)"
    )

    assert [row[0] for row in rows] == ["billed", "partially_capped", "capped", "duplicate"]


@pytest.mark.usefixtures("configured_database")
def test_block_holds_250_lines() -> None:
    rows = execute("select block_of(n) from unnest(array[1, 250, 251, 500, 501]) as n")

    assert [row[0] for row in rows] == [0, 0, 1, 1, 2]
