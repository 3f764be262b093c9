-- The audit log, written by triggers in the transaction of each change.

-- As its owner, so that nobody else needs the right to write here, or has it.
create function write_audit_entry(
    action text, subject text, subject_id text, before jsonb, after jsonb
) returns void language sql security definer set search_path = public, pg_temp as $$
    insert into audit_log (actor, database_user, action, subject, subject_id, before, after)
    values (
        coalesce(
            nullif(current_setting('lead_billing.actor', true), ''),
            'database role ' || session_user
        ),
        session_user, action, subject, subject_id, before, after
    )
$$;

-- What of a row may stand in an entry: the named columns, an email only in outline, and the
-- customer by the id that callers know it by.
create function audited(whole jsonb, columns text[]) returns jsonb
language sql stable security definer set search_path = public, pg_temp as $$
    select jsonb_object_agg(
        key,
        case
            when key = 'email'
                then to_jsonb(regexp_replace(value #>> '{}', '^(.)[^@]*', '\1***'))
            when key = 'customer_id' and value <> 'null' then coalesce(
                (
                    select to_jsonb(external_id) from customers
                    where customer_id::text = value #>> '{}'
                ),
                value
            )
            else value
        end
    )
    from jsonb_each(whole)
    where key = any (columns)
$$;

-- Arguments: what is changed, its id's column, the columns to show, the word for an update.
create function audit_change() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    columns text[] := string_to_array(tg_argv[2], ',');
    before jsonb := case when tg_op <> 'INSERT' then audited(to_jsonb(old), columns) end;
    after jsonb := case when tg_op <> 'DELETE' then audited(to_jsonb(new), columns) end;
    whole jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
    if before is distinct from after then
        perform write_audit_entry(
            case tg_op
                when 'INSERT' then coalesce(tg_argv[4], 'created')
                when 'UPDATE' then coalesce(tg_argv[3], 'changed')
                else 'deleted'
            end,
            tg_argv[0], whole ->> tg_argv[1], before, after
        );
    end if;
    return null;
end $$;

-- Runs when the card's rates are stored too: at the end of its transaction.
create function audit_rate_card() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform write_audit_entry(
        'created', 'rate_card', new.rate_card_id::text, null,
        audited(
            to_jsonb(new),
            '{customer_id,name,version,valid_from,currency,cap_cents,cap_scope,'
            'dispute_window_days,follows_default}'
        ) || jsonb_build_object(
            'rates', (
                select jsonb_agg(
                    jsonb_strip_nulls(jsonb_build_object(
                        'engagement_level', rate_card_rates.engagement_level,
                        'lead_type', rate_card_rates.lead_type,
                        'product_id', products.external_id,
                        'amount_cents', rate_card_rates.amount_cents
                    )) order by rate_id
                )
                from rate_card_rates left join products using (product_id)
                where rate_card_rates.rate_card_id = new.rate_card_id
            ),
            'duplicates_charged_for', (
                select coalesce(jsonb_agg(lead_type order by lead_type), '[]')
                from rate_card_charged_duplicates
                where rate_card_charged_duplicates.rate_card_id = new.rate_card_id
            )
        )
    );
    return null;
end $$;

create trigger api_keys_are_audited after insert or update or delete on api_keys
    for each row execute function audit_change(
        'api_key', 'key_id', 'name,role,customer_id,expires_at,rotated_from', 'ended');
create trigger customers_are_audited after insert or update or delete on customers
    for each row execute function audit_change(
        'customer', 'external_id', 'external_id,name,email,timezone');
create trigger products_are_audited after insert or update or delete on products
    for each row execute function audit_change(
        'product', 'external_id', 'external_id,name,description');
create trigger lead_types_are_audited after insert or update or delete on lead_types
    for each row execute function audit_change(
        'lead_type', 'lead_type', 'lead_type');
create trigger reports_are_audited after insert or update on billing_reports
    for each row execute function audit_change(
        'report', 'report_id', 'customer_id,period,rate_card_id,gross_cents,billed_cents,duplicate_cents,cap_cents,prior_billed_cents,credit_cents,due_cents,content_hash', 'changed', 'closed');
create trigger disputes_are_audited after insert or update on disputes
    for each row execute function audit_change(
        'dispute', 'dispute_id', 'customer_id,lead_id,reason,status,opened_by,decided_by', 'decided');
create trigger credits_are_audited after insert on billing_report_credits
    for each row execute function audit_change(
        'credit', 'dispute_id', 'report_id,credit_number,of_report_id,of_line_number,amount_cents');
create trigger replays_are_audited after update of replayed_at on quarantined_leads
    for each row execute function audit_change(
        'quarantined_lead', 'quarantine_id', 'lead_id,reason,replayed_at', 'replayed');
create constraint trigger rate_cards_are_audited after insert on rate_cards
    deferrable initially deferred
    for each row execute function audit_rate_card();

-- Only the triggers call these.
revoke execute on function
    write_audit_entry(text, text, text, jsonb, jsonb), audited(jsonb, text[]) from public;
