"""Reports as properties: totals, ranges, pages and single leads show the same rated lines."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import Connection

from common.billing_period import Period
from common.enums import EngagementLevel, Outcome
from common.identifiers import customer_id
from common.leads.search import get_lead
from common.rating.line import Line, Totals, total_of
from common.rating.standing_totals.catch_up import catch_up_with
from common.reports import line_search, rows
from common.reports.draft import draft_report
from common.reports.lead_history import lead_lines
from common.reports.line_search import Direction, LineSearch, LineSort
from common.reports.lines import find_lines, key_of_line
from common.reports.months import find_month
from tests.support import oracle
from tests.support.properties import examples
from tests.support.worlds import LEAD_TYPES, PRODUCTS, Example, world, worlds


@examples(9)
@given(worlds())
def test_every_breakdown_sums_to_the_totals_and_no_user_costs_more_than_the_cap(
    connection: Connection, example: Example
) -> None:
    batch, cards, zones = example

    with world(connection, zones, cards) as rated:
        rated.post(batch)

        for name, month in oracle.bills(batch, cards, zones):
            report, lines = rated.report(name, month)
            card = oracle.card_in_force(cards, name, month)
            for line in lines:
                assert line.gross_cents == line.billed_cents + line.duplicate_cents + line.cap_cents
                assert min(line.billed_cents, line.duplicate_cents, line.cap_cents) >= 0
            columns = zip(*_cents(lines), strict=True)
            assert _money(report.totals) == [sum(column) for column in columns]
            for part in report.parts[:4]:
                assert _sum(group.totals for group in part) == report.totals
            if card.cap_scope == "user":
                costs = [user.totals.billed_cents for user in report.parts.by_user]
                assert all(cost <= card.cap_cents for cost in costs)


def _cents(lines: list[Line]) -> list[tuple[int, int, int, int]]:
    return [
        (line.gross_cents, line.billed_cents, line.duplicate_cents, line.cap_cents)
        for line in lines
    ]


def _money(totals: Totals) -> list[int]:
    return list(totals[:4])


def _sum(parts: Iterator[Totals]) -> Totals:
    total = Totals()
    for part in parts:
        total = total.plus(part)
    return total


@examples(9)
@given(worlds(), st.data())
def test_a_range_selects_from_the_rated_lines_of_the_whole_month(
    connection: Connection, example: Example, data: st.DataObject
) -> None:
    batch, cards, zones = example
    stamps = sorted({oracle.instant(a["timestamp"]) for lead in batch for a in lead["actions"]})
    assume(stamps)
    start = data.draw(st.sampled_from(stamps))
    end = data.draw(st.sampled_from(stamps))

    with world(connection, zones, cards) as rated:
        rated.post(batch)

        expected = {
            pair: [line for line in lines if start <= line.action[2] < end]
            for pair, lines in oracle.bills(batch, cards, zones).items()
        }
        shown = rated.lines(start, end)
        assert shown == {pair: lines for pair, lines in expected.items() if lines}


@examples(9)
@given(worlds(), st.data())
def test_bare_dates_of_a_range_are_midnights_in_the_customers_zone(
    connection: Connection, example: Example, data: st.DataObject
) -> None:
    batch, cards, zones = example
    bills = oracle.bills(batch, cards, zones)
    assume(bills)
    month = data.draw(st.sampled_from(sorted({month for _, month in bills})))

    with world(connection, zones, cards) as rated:
        rated.post(batch)

        shown = rated.lines(month, oracle.next_month(month))
        assert shown == {pair: lines for pair, lines in bills.items() if pair[1] == month}


@examples(9)
@given(worlds(), st.integers(1, 4))
def test_pages_of_lines_are_the_whole_in_canonical_order(
    connection: Connection, example: Example, most: int
) -> None:
    batch, cards, zones = example

    with world(connection, zones, cards) as rated:
        rated.post(batch)

        for name, month in oracle.bills(batch, cards, zones):
            found = find_month(rated.session, name, Period(month))
            _, whole = rated.report(name, month)
            paged: list[Line] = []
            after = None
            while True:
                report, after = draft_report(rated.session, found, after=after, limit=most)
                paged += report.lines
                if after is None:
                    break
            assert paged == whole


@st.composite
def searches(draw: st.DrawFn) -> LineSearch:
    """A search with few filters, in the order of the lines' times."""
    filters = {
        "product_id": st.sampled_from(PRODUCTS),
        "lead_type": st.sampled_from(LEAD_TYPES),
        "user": st.sampled_from(["ann", "1"]),
        "lead": st.sampled_from(["lead-1", "000"]),
        "engagement_level": st.sampled_from(EngagementLevel),
        "outcome": st.sampled_from(Outcome),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(filters)), max_size=2, unique=True))
    return LineSearch(
        **{name: draw(filters[name]) for name in chosen},
        sort=draw(st.sampled_from([None, LineSort.TIME, LineSort.BILLED])),
        direction=draw(st.sampled_from(Direction)),
    )


@examples(15)
@given(worlds(), st.data())
def test_page_that_rates_its_users_alone_shows_what_rating_the_month_shows(
    connection: Connection, example: Example, data: st.DataObject
) -> None:
    batch, cards, zones = example
    search = data.draw(searches())
    half = data.draw(st.integers(0, len(batch)))
    bills = oracle.bills(batch, cards, zones)
    assume(bills)
    name, month = data.draw(st.sampled_from(sorted(bills)))

    with world(connection, zones, cards) as rated, pytest.MonkeyPatch.context() as patched:
        patched.setattr(line_search, "LINES_A_PAGE", 3)
        rated.post(batch[:half])
        catch_up_with(rated.session, [str(customer_id(name)) for name in zones])
        rated.post(batch[half:])
        found = find_month(rated.session, name, Period(month))
        whole, _ = draft_report(rated.session, found)
        searched, _ = draft_report(rated.session, found, search)
        lines = list(searched.lines)
        assert searched.matching == total_of(lines)._replace(leads=0)

        for number in {1, 2, len(lines) // 3 + 1}:
            page, _ = draft_report(rated.session, found, replace(search, page=number))

            assert list(page.lines) == lines[3 * number - 3 : 3 * number]
            assert page.matching == searched.matching
            assert (page.totals, page.parts) == (whole.totals, whole.parts)
            assert page.notices == whole.notices

        most = data.draw(st.integers(1, 3))
        patched.setattr(rows, "MAX_GROUPS", most)
        largest, _ = draft_report(rated.session, found, limit=1)
        assert largest.parts == whole.parts._replace(
            by_user=whole.parts.by_user[:most], by_lead=whole.parts.by_lead[:most]
        )


@examples(12)
@given(worlds(), st.data())
def test_pages_of_found_lines_are_all_of_them_though_totals_are_behind(
    connection: Connection, example: Example, data: st.DataObject
) -> None:
    batch, cards, zones = example
    search = replace(data.draw(searches()), sort=None, direction=Direction.ASCENDING)
    half = data.draw(st.integers(0, len(batch)))
    most = data.draw(st.integers(1, 3))
    bills = oracle.bills(batch, cards, zones)
    assume(bills)
    name, month = data.draw(st.sampled_from(sorted(bills)))

    with world(connection, zones, cards) as rated:
        rated.post(batch[:half])
        catch_up_with(rated.session, [str(customer_id(name)) for name in zones])
        rated.post(batch[half:])
        found = find_month(rated.session, name, Period(month))
        whole, _ = draft_report(rated.session, found, search)
        paged: list[Line] = []
        after, has_more = None, True
        while has_more:
            lines, has_more = find_lines(rated.session, found, search, after, most)
            paged += lines
            assert lines or not has_more
            assert len(paged) <= len(batch) * 10, "the same page again"
            after = key_of_line(rated.session, found, lines[-1]) if lines else None

        assert paged == list(whole.lines)


@examples(9)
@given(worlds())
def test_breakdowns_are_the_sums_of_the_lines_largest_first(
    connection: Connection, example: Example
) -> None:
    batch, cards, zones = example

    with world(connection, zones, cards) as rated:
        rated.post(batch)

        for name, month in oracle.bills(batch, cards, zones):
            report, lines = rated.report(name, month)
            parts = report.parts
            for groups, column in (
                (parts.by_product, "product_id"),
                (parts.by_lead_type, "lead_type"),
                (parts.by_user, "user_key"),
                (parts.by_lead, "lead_id"),
            ):
                values = {getattr(line, column) for line in lines}
                assert {group.members[column]: group.totals for group in groups} == {
                    value: total_of(line for line in lines if getattr(line, column) == value)
                    for value in values
                }
                gross = [group.totals.gross_cents for group in groups]
                assert gross == sorted(gross, reverse=True)
            users = {line.user_key: line for line in lines}
            names = {line.user_key: set[str]() for line in lines}
            for line in lines:
                if line.user is not None:
                    names[line.user_key].add(line.user)
            for group in parts.by_user:
                key = group.members["user_key"]
                assert group.members["user"] == max(names[key], default=None)
                assert group.members["has_user"] == users[key].has_user
            assert (parts.user_count, parts.lead_count) == (len(users), report.totals.leads)
            without_user = {line.lead_id for line in lines if not line.has_user}
            assert report.leads_without_user == len(without_user)


@examples(9)
@given(worlds())
def test_a_lead_shows_the_lines_its_months_reports_show(
    connection: Connection, example: Example
) -> None:
    batch, cards, zones = example

    with world(connection, zones, cards) as rated:
        rated.post(batch)

        expected: dict[tuple[str, str], set[str]] = {
            (lead["customer_id"], lead["lead_id"]): set() for lead in batch
        }
        for name, month in oracle.bills(batch, cards, zones):
            for line in rated.report(name, month)[1]:
                expected[name, line.lead_id].add(repr(line))
        for (owner, lead_id), lines in expected.items():
            lead = get_lead(rated.session, lead_id, owner)
            shown = lead_lines(rated.session, lead)
            assert {repr(entry.line) for entry in shown} == lines
