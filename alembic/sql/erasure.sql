-- Takes a user out of the stored and the quarantined leads of a customer: the person goes, and the
-- keyed hash that they are billed under stays. Runs as its owner: no role may change a lead.
create function erase_users(
    customer uuid, users uuid[], of_leads uuid[], held uuid[], held_users uuid[],
    out leads bigint, out quarantined_leads bigint
) language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into erased_users (customer_id, user_key)
    select customer, unnest(users)
    on conflict (customer_id, user_key) do nothing;
    update leads as lead set user_email = null, user_phone = null, user_external_id = null
    where lead.customer_id = customer and lead.lead_id = any (of_leads)
        and coalesce(lead.user_email, lead.user_phone, lead.user_external_id) is not null;
    get diagnostics leads = row_count;
    update quarantined_leads as entry set lead = entry.lead - 'user', user_key = person.user_key
    from unnest(held, held_users) as person (quarantine_id, user_key)
    where entry.customer_id = customer and entry.quarantine_id = person.quarantine_id;
    get diagnostics quarantined_leads = row_count;
end $$;

revoke execute on function erase_users(uuid, uuid[], uuid[], uuid[], uuid[]) from public;
