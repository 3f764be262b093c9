drop view billing_report_lines;

drop table
    customers, products, lead_types, deployment, api_keys, audit_log, leads, actions,
    quarantined_leads, erased_users, rate_cards, rate_card_rates, rate_card_charged_duplicates,
    billing_runs, billing_reports, billing_report_line_blocks, billing_report_lead_totals,
    late_actions, parked_customers, disputes, dispute_lines, billing_report_credits;

drop function
    local_midnight, billing_period_of, tenant, lines_of_block, action_id, block_hash, credit_hash,
    report_header, report_hash, rate_card_in_force, line_outcome, erase_users;
drop function if exists
    refuse_delete, refuse_edit, refuse_change_of_lead, refuse_change_of_audit,
    refuse_actions_without_lead, refuse_unbilled_dispute_line, refuse_other_isolation,
    refuse_reopening;

drop type
    key_role, engagement_level, cap_scope, outcome, dispute_reason, dispute_status;
