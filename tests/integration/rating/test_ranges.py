"""Part of a period: what lies behind it changes no line, unless it is final."""

from datetime import date

import httpx

from common.database.transactions import snapshot
from common.identifiers import customer_id
from common.rating.periods import RatingScope
from common.rating.rated_lines import rated_lines
from tests.support.api import action, lead, post, register

ANN = {"user": {"email": "ann@people.test"}}


def test_late_action_repeats_a_final_line_behind_the_range(gateway: httpx.Client) -> None:
    register(gateway)
    final = lead("final", action(timestamp="2024-03-20T10:00:00Z"), **ANN)
    post(gateway, final).raise_for_status()
    gateway.post("/billing/periods/2024-03/close").raise_for_status()
    late = lead("late", action(timestamp="2024-03-10T10:00:00Z"), **ANN)
    post(gateway, late).raise_for_status()

    with snapshot() as session:
        march = [(customer_id("acme"), date(2024, 3, 1))]
        scope = RatingScope(march, end=date(2024, 3, 15))
        lines = [line for line, _ in rated_lines(session, scope)]

    assert [(line.lead_id, line.duplicate_of_lead_id) for line in lines] == [("late", "final")]
