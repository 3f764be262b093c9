-- Triggers that only refuse: what must never be edited or deleted, and what no constraint can say.
-- The engine works the same without them. They can be left out where the rights of the roles
-- (common/database/grants.py) are enough.

create function refuse_delete() returns trigger language plpgsql as $$
begin
    raise restrict_violation using message = format('rows of %s are never deleted', tg_table_name);
end $$;

create trigger leads_are_kept before delete on leads
    for each row execute function refuse_delete();
create trigger actions_are_kept before delete on actions
    for each row execute function refuse_delete();
create trigger billing_reports_are_kept before delete on billing_reports
    for each row execute function refuse_delete();
create trigger billing_report_line_blocks_are_kept before delete on billing_report_line_blocks
    for each row execute function refuse_delete();
create trigger billing_report_lead_totals_are_kept before delete on billing_report_lead_totals
    for each row execute function refuse_delete();
create trigger billing_report_credits_are_kept before delete on billing_report_credits
    for each row execute function refuse_delete();
create trigger disputes_are_kept before delete on disputes
    for each row execute function refuse_delete();
create trigger dispute_lines_are_kept before delete on dispute_lines
    for each row execute function refuse_delete();

create function refuse_edit() returns trigger language plpgsql as $$
begin
    raise restrict_violation using message = format('rows of %s are never edited', tg_table_name);
end $$;

create trigger rate_cards_are_never_edited before update or delete on rate_cards
    for each row execute function refuse_edit();
create trigger rate_card_rates_are_never_edited before update or delete on rate_card_rates
    for each row execute function refuse_edit();
create trigger rate_card_charged_duplicates_are_never_edited
    before update or delete on rate_card_charged_duplicates
    for each row execute function refuse_edit();
create trigger billing_report_credits_are_never_edited before update on billing_report_credits
    for each row execute function refuse_edit();
create trigger resolved_disputes_are_never_edited before update on disputes
    for each row when (old.status <> 'open') execute function refuse_edit();
-- The status of a dispute's line follows that of the dispute, by a foreign key that names all of the
-- dispute's key.
create trigger dispute_lines_are_never_edited
    before update of report_id, line_number, action_id, amount_cents on dispute_lines
    for each row execute function refuse_edit();

-- Erasing a user takes out who that was, and changes nothing else.
create function refuse_change_of_lead() returns trigger language plpgsql as $$
begin
    if to_jsonb(new) - '{user_email,user_phone,user_external_id}'::text[]
            is distinct from to_jsonb(old) - '{user_email,user_phone,user_external_id}'::text[]
        or coalesce(new.user_email, old.user_email) is distinct from old.user_email
        or coalesce(new.user_phone, old.user_phone) is distinct from old.user_phone
        or coalesce(new.user_external_id, old.user_external_id)
            is distinct from old.user_external_id
    then
        raise restrict_violation using message = 'a stored lead is never changed';
    end if;
    return new;
end $$;

create trigger leads_are_never_changed before update on leads
    for each row execute function refuse_change_of_lead();

create function refuse_change_of_audit() returns trigger language plpgsql as $$
begin
    raise restrict_violation using message = 'audit entries are never changed or deleted';
end $$;

create trigger audit_log_is_kept before update or delete on audit_log
    for each row execute function refuse_change_of_audit();
create trigger audit_log_is_never_emptied before truncate on audit_log
    for each statement execute function refuse_change_of_audit();

-- One check per statement keeps the promise of a foreign key for a fraction of its price.
create function refuse_actions_without_lead() returns trigger language plpgsql as $$
begin
    if exists (
        select from inserted
        where not exists (
            select from leads
            where leads.customer_id = inserted.customer_id and leads.lead_id = inserted.lead_id
        )
    ) then
        raise foreign_key_violation using message = 'an action of a lead that is not stored';
    end if;
    return null;
end $$;

create trigger actions_have_a_lead after insert on actions
    referencing new table as inserted
    for each statement execute function refuse_actions_without_lead();

-- In any other isolation, a statement does not see that a period was closed while it waited for its
-- customer's lock, and would not mark the period's actions as late.
create function refuse_other_isolation() returns trigger language plpgsql as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise invalid_transaction_state
            using message = 'actions are stored in a READ COMMITTED transaction';
    end if;
    return null;
end $$;

create trigger actions_are_stored_read_committed before insert on actions
    for each statement execute function refuse_other_isolation();

create function refuse_reopening() returns trigger language plpgsql as $$
begin
    if new.closed_through is null or new.closed_through <= old.closed_through
        or not exists (
            select from billing_reports
            where billing_reports.customer_id = new.customer_id
                and billing_reports.period = new.closed_through
        )
    then
        raise restrict_violation
            using message = 'closed_through moves forward, to the period of a final report';
    end if;
    return new;
end $$;

create trigger customers_are_never_reopened before update of closed_through on customers
    for each row when (old.closed_through is distinct from new.closed_through)
    execute function refuse_reopening();

-- Lines are neither edited nor deleted, so what holds when one is disputed holds for good.
create function refuse_unbilled_dispute_line() returns trigger language plpgsql as $$
begin
    if not exists (
        select from billing_report_lines as line
        where line.customer_id = new.customer_id
            and line.report_id = new.report_id
            and line.line_number = new.line_number
            and new.line_number between line.block_first_line and line.block_last_line
            and line.action_id = new.action_id
            and line.billed_cents >= new.amount_cents
    ) then
        raise check_violation using message = 'a disputed line that billed less, or is not final';
    end if;
    return new;
end $$;

create trigger dispute_lines_were_billed before insert on dispute_lines
    for each row execute function refuse_unbilled_dispute_line();
