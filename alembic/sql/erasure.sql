-- Erasing a user: the person goes, and the keyed hash that they are billed under stays.

-- Waits for the transactions that are storing leads, and makes later ones wait.
create function hold_storing() returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    lock table leads, quarantined_leads in share row exclusive mode;
end $$;

create function erase_users(
    customer uuid, users uuid[], of_leads uuid[], held uuid[], held_users uuid[],
    out leads bigint, out quarantined_leads bigint
) language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into erased_users (user_key) select unnest(users) on conflict do nothing;
    update leads as lead set user_email = null, user_phone = null, user_external_id = null
    where lead.lead_id = any (of_leads) and lead.customer_id = customer
        and coalesce(lead.user_email, lead.user_phone, lead.user_external_id) is not null;
    get diagnostics leads = row_count;
    update quarantined_leads as entry set lead = entry.lead - 'user', user_key = person.user_key
    from unnest(held, held_users) as person (quarantine_id, user_key)
    where entry.quarantine_id = person.quarantine_id and entry.customer_id = customer;
    get diagnostics quarantined_leads = row_count;
    perform write_audit_entry(
        'erased', 'user', users[1]::text, null,
        jsonb_build_object(
            'customer_id',
            (select external_id from customers where customers.customer_id = customer),
            'user_keys', users, 'leads', leads, 'quarantined_leads', quarantined_leads
        )
    );
end $$;

-- A later lead of an erased user keeps the key it is billed under, and nothing else of the person.
create function blank_leads_of_erased_users() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select from erased_users) then
        update leads set user_email = null, user_phone = null, user_external_id = null
        from inserted join erased_users using (user_key)
        where leads.lead_id = inserted.lead_id;
    end if;
    return null;
end $$;

create trigger leads_of_erased_users_are_blank after insert on leads
    referencing new table as inserted
    for each statement execute function blank_leads_of_erased_users();

create function blank_quarantined_leads_of_erased_users() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select from erased_users) then
        update quarantined_leads set lead = quarantined_leads.lead - 'user'
        from inserted join erased_users using (user_key)
        where quarantined_leads.quarantine_id = inserted.quarantine_id;
    end if;
    return null;
end $$;

create trigger quarantined_leads_of_erased_users_are_blank after insert on quarantined_leads
    referencing new table as inserted
    for each statement execute function blank_quarantined_leads_of_erased_users();

revoke execute on function
    hold_storing(), erase_users(uuid, uuid[], uuid[], uuid[], uuid[]) from public;
