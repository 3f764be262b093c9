-- Triggers that only refuse: what must never be edited or deleted, and what no constraint can say.
-- The engine works the same without them. They can be left out where the rights of the roles
-- (common/database/grants.py) are enough.

create function refuse_delete() returns trigger language plpgsql as $$
begin
    raise restrict_violation using message = format('rows of %s are never deleted', tg_table_name);
end $$;

create trigger leads_are_kept before delete on leads
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
create trigger voided_actions_are_kept before delete on voided_actions
    for each row execute function refuse_delete();

-- A number that was given stays given: the next one follows it.
create function refuse_other_number() returns trigger language plpgsql as $$
begin
    if new.issuer <> old.issuer or new.last_number <> old.last_number + 1 then
        raise restrict_violation using message = 'statement numbers count up by one';
    end if;
    return new;
end $$;

create trigger deliveries_are_kept before delete on deliveries
    for each row execute function refuse_delete();
create trigger statement_numbers_are_kept before delete on statement_numbers
    for each row execute function refuse_delete();
create trigger statement_numbers_count_up before update on statement_numbers
    for each row execute function refuse_other_number();

create function refuse_edit() returns trigger language plpgsql as $$
begin
    raise restrict_violation using message = format('rows of %s are never edited', tg_table_name);
end $$;

create trigger signing_keys_are_never_edited before update or delete on signing_keys
    for each row execute function refuse_edit();
create trigger signed_heads_are_never_edited before update or delete on signed_heads
    for each row execute function refuse_edit();
create trigger merkle_nodes_are_never_edited before update or delete on merkle_nodes
    for each row execute function refuse_edit();
create trigger report_seals_are_never_edited before update or delete on report_seals
    for each row execute function refuse_edit();
create trigger audit_seals_are_never_edited before update or delete on audit_seals
    for each row execute function refuse_edit();
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
create trigger voided_actions_are_never_edited before update on voided_actions
    for each row execute function refuse_edit();
-- The status of a dispute's line follows that of the dispute, by a foreign key that names all of the
-- dispute's key.
create trigger dispute_lines_are_never_edited
    before update of report_id, line_number, action_id, amount_cents on dispute_lines
    for each row when (old.report_id is not null or new.action_id <> old.action_id)
    execute function refuse_edit();

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

-- Of the spellings of one action the lowest is shown, until the action is on a final report.
create function refuse_change_of_action() returns trigger language plpgsql as $$
begin
    if to_jsonb(new) - 'action_type' is distinct from to_jsonb(old) - 'action_type'
        or new.action_type collate "C" > old.action_type collate "C"
        or (
            exists (
                select from customers
                where customers.customer_id = old.customer_id
                    and old.timestamp < period_end(customers.closed_through, customers.timezone)
            )
            and not exists (
                select from late_actions
                where late_actions.customer_id = old.customer_id
                    and late_actions.lead_id = old.lead_id
                    and late_actions.action_id = old.action_id
            )
        )
    then
        raise restrict_violation using message = 'a stored action is never changed';
    end if;
    return new;
end $$;

create trigger actions_are_never_changed before update on actions
    for each row execute function refuse_change_of_action();

-- An action goes only where it is voided, and only in an open period.
create function refuse_delete_of_actions() returns trigger language plpgsql as $$
begin
    if exists (
        select
        from deleted
        join customers on customers.customer_id = deleted.customer_id
        where deleted.timestamp < period_end(customers.closed_through, customers.timezone)
            or not exists (
                select from voided_actions
                where voided_actions.customer_id = deleted.customer_id
                    and voided_actions.lead_id = deleted.lead_id
                    and voided_actions.action_id = deleted.action_id
            )
    ) then
        raise restrict_violation
            using message = 'rows of actions are never deleted, but voided in an open period';
    end if;
    return null;
end $$;

create trigger actions_are_kept after delete on actions
    referencing old table as deleted
    for each statement execute function refuse_delete_of_actions();

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

-- Lines are neither edited nor deleted, so what holds when one is disputed holds for good. Of a
-- draft's line it is looked at when closing gives it its place, in the same statement as the line.
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

create trigger dispute_lines_were_billed after insert or update of report_id on dispute_lines
    for each row when (new.report_id is not null)
    execute function refuse_unbilled_dispute_line();
