-- params: customer_id uuid, report_id uuid, after_line int, last_line int
-- params: search jsonb, is_filtered boolean, max_lines int
--
-- Lines of a final report in order: those behind `after_line` up to `last_line` that are searched
-- for. The columns of a Line come first.
with months as materialized (
    select month.period, coalesce(card.caps_each_product, false) as caps_each_product
    from (
        select distinct period
        from billing_report_line_blocks
        where customer_id = :customer_id and report_id = :report_id
    ) as month
    left join lateral rate_card_in_force(cast(:customer_id as uuid), month.period) as card on true
),

-- Without filters only the page's leads are looked up.
page as materialized (
    (
        select line.*
        from billing_report_lines as line
        where not :is_filtered
            and line.customer_id = :customer_id
            and line.report_id = :report_id
            and line.line_number > :after_line and line.block_last_line > :after_line
            and line.line_number <= :last_line and line.block_first_line <= :last_line
        order by line.line_number
        limit :max_lines
    )
    union all
    (
        select line.*
        from billing_report_lines as line
        join products on products.product_id = line.product_id
        left join leads
            on leads.customer_id = :customer_id and leads.lead_id = line.lead_id
        where :is_filtered
            and line.customer_id = :customer_id
            and line.report_id = :report_id
            and line.line_number > :after_line and line.block_last_line > :after_line
            and line.line_number <= :last_line and line.block_first_line <= :last_line
            and line_matches(
                :search, leads.external_id, products.external_id, line.lead_type,
                user_name(leads.*),
                line.engagement_level, line.outcome
            )
        order by line.line_number
        limit :max_lines
    )
)

-- A line that was tampered with may name any lead.
select
    page.period, page.action_id::text, coalesce(leads.external_id, page.lead_id::text) as lead,
    products.external_id as product, page.lead_type,
    user_name(leads.*) as user_name,
    page.user_key::text, page.action_type, page.engagement_level, page.timestamp,
    page.gross_cents, page.billed_cents, page.duplicate_cents, page.cap_cents,
    page.cap_limit_cents, page.cap_used_before_cents,
    coalesce(originals.external_id, page.duplicate_of_lead_id::text) as duplicate_of_lead,
    page.duplicate_of_action_id::text, page.duplicate_of_timestamp, page.rate,
    coalesce(leads.has_user, true) as has_user, months.caps_each_product, page.line_number,
    leads.created_at as lead_created_at
from page
join months on months.period = page.period
join products on products.product_id = page.product_id
left join leads on leads.customer_id = :customer_id and leads.lead_id = page.lead_id
left join leads as originals
    on originals.customer_id = :customer_id and originals.lead_id = page.duplicate_of_lead_id
order by page.line_number
