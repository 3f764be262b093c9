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
        and num_nonnulls(lead.user_email, lead.user_phone, lead.user_external_id) > 0;
    get diagnostics leads = row_count;
    update quarantined_leads as entry set lead = entry.lead - 'user', user_key = person.user_key
    from unnest(held, held_users) as person (quarantine_id, user_key)
    where entry.customer_id = customer and entry.quarantine_id = person.quarantine_id;
    get diagnostics quarantined_leads = row_count;
    -- Refused rows are text: whether one names the user is not known. The same holds for files.
    update exports set expires_at = least(expires_at, now())
    where (exports.customer_id = customer or exports.customer_id is null)
        and file_name is not null;
    update idempotency_keys set headers = null, body = null
    where idempotency_keys.customer_id in (customer, '00000000-0000-0000-0000-000000000000')
        and body is not null;
    update imports set refused = null
    where (imports.customer_id = customer or imports.customer_id is null)
        and refused is not null;
end $$;

revoke execute on function erase_users(uuid, uuid[], uuid[], uuid[], uuid[]) from public;
