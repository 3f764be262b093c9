"""Final reports, read from what closing stored."""

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from common import identifiers
from common.billing_period import Period
from common.catalog.models import Customer
from common.disputes.credits import final_credits
from common.enums import CapScope, ReportStatus
from common.final_reports.models import BillingReport
from common.final_reports.store import (
    leads_of,
    own_lines,
    prior_lines,
    summarise_final,
)
from common.problems import Unpriced
from common.rating.card_in_force import rate_card_in_force
from common.rating.line import Line
from common.rating.models import RateCard
from common.rating.totals import Totals
from common.reports.cards import cards_of_lines, under_cap, under_cards
from common.reports.model import Report, notices_of
from common.reports.parts import parts_of, whole_of


def final_report_of(
    connection: Connection, customer: Customer, period: Period
) -> BillingReport | None:
    """The stored report of a customer's month, where it has one."""
    query = select(BillingReport).where(
        BillingReport.customer_id == customer.customer_id, BillingReport.period == period.start
    )
    return Session(connection).scalars(query).first()


def final_report(
    connection: Connection,
    customer: Customer,
    stored: BillingReport,
    *,
    after: int = 0,
    most: int | None = None,
) -> tuple[Report, int | None]:
    """A report as it was closed, and the number of the line its next page comes behind.

    Pages as `draft_report` does.
    """
    period = Period(stored.period)
    summary = summarise_final(connection, stored.report_id)
    totals, without_user = whole_of(summary)
    leads = leads_of(summary)
    # Numbers have no gaps.
    last = stored.action_count if most is None else min(after + most, stored.action_count)
    card = Session(connection).get_one(RateCard, stored.rate_card_id)
    lines = under_cap(
        own_lines(connection, stored.report_id, leads, after=after, last=last),
        card.cap_scope is CapScope.USER_AND_PRODUCT,
    )
    if most is not None:
        lines = list(lines)
    next_page = last if last < stored.action_count else None
    prior: list[Line] = []
    if stored.prior_action_count:
        prior = list(prior_lines(connection, stored.report_id, stored.action_count))
    prior_cards = cards_of_lines(connection, stored.customer_id, prior)
    named = [
        row._replace(product_name=stored.product_names.get(row.product_id or "")) for row in summary
    ]
    return (
        Report(
            report_id=str(stored.report_id),
            customer_id=customer.external_id,
            customer_name=stored.customer_name,
            period=period,
            timezone=stored.timezone,
            status=ReportStatus.FINAL,
            rate_card_name=card.name,
            rate_card_version=card.version,
            totals=totals,
            parts=parts_of(named),
            lines=lines,
            notices=notices_of(totals, without_user),
            generated_at=stored.finalized_at,
            finalized_at=stored.finalized_at,
            content_hash=stored.content_hash,
            previous_hash=stored.previous_hash,
            hash_version=stored.hash_version,
            prior_period=under_cards(prior, prior_cards),
            prior_cards=prior_cards,
            credits=final_credits(connection, stored.report_id),
        ),
        next_page,
    )


def closing_report_of(
    connection: Connection, customer: Customer, period: Period
) -> BillingReport | None:
    """The first final report behind a month: it closed that month along, if it has none itself."""
    query = (
        select(BillingReport)
        .where(
            BillingReport.customer_id == customer.customer_id, BillingReport.period > period.start
        )
        .order_by(BillingReport.period)
        .limit(1)
    )
    return Session(connection).scalars(query).first()


def closed_along(
    connection: Connection, customer: Customer, period: Period, closing: BillingReport
) -> Report:
    """The report of a month that was closed without actions, along with a later one.

    It is empty for ever: what arrives for it is billed as a prior period.
    """
    card = rate_card_in_force(connection, customer.customer_id, period.start)
    if card is None:
        raise Unpriced(f"no rate card is in force in {period}")
    return Report(
        report_id=str(identifiers.report_id(customer.customer_id, str(period))),
        customer_id=customer.external_id,
        customer_name=closing.customer_name,
        period=period,
        timezone=closing.timezone,
        status=ReportStatus.FINAL,
        rate_card_name=card.name,
        rate_card_version=card.version,
        totals=Totals(),
        parts=parts_of([]),
        lines=[],
        notices=[],
        generated_at=closing.finalized_at,
        finalized_at=closing.finalized_at,
    )
