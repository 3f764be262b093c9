drop view billing_report_lines;

drop function audit_leaf;

drop function user_name;

drop table
    customers, products, lead_types, deployment, api_keys, audit_log, leads, actions,
    voided_actions,
    quarantined_leads, erased_users, rate_cards, rate_card_rates, rate_card_charged_duplicates,
    billing_runs, billing_reports, billing_report_line_blocks, billing_report_lead_totals,
    late_actions, parked_customers, disputes, dispute_lines, billing_report_credits, rating_backlog,
    standing_month_totals, standing_part_totals, standing_user_totals, standing_lead_totals,
    imports, mappings, exports, statement_numbers, webhooks,
    webhook_deliveries, deliveries, idempotency_keys, signing_keys, signed_heads,
    merkle_nodes, report_seals, audit_seals;

drop function
    masked_user, local_midnight, period_end, billing_period_of, tenant, lines_of_block, action_id,
    block_hash, credit_hash,
    unit_prices, report_header, report_hash, rate_card_in_force, line_outcome, block_of, outcome_bit,
    line_matches, line_sort_text, line_sort_number, erase_users, void_actions,
    row_hash, report_leaf, dispute_hash, run_hash, webhooks_of, amount_text, end_key;
drop function if exists
    refuse_delete, refuse_delete_of_actions, refuse_edit, refuse_change_of_lead, refuse_change_of_action,
    refuse_change_of_audit, refuse_actions_without_lead, refuse_unbilled_dispute_line,
    refuse_other_isolation, refuse_reopening, refuse_other_number;

drop type
    key_role, user_kind, engagement_level, cap_scope, outcome, dispute_reason, dispute_status,
    line_state, delivery_status;
