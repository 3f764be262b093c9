-- Ends a key at a moment, or leaves it to end before, and returns when it ends; null for one that is
-- not there or has ended. Runs as its owner: no role may give a key more time, or revive one.
create function end_key(key text, moment timestamptz)
returns timestamptz language sql security definer set search_path = public, pg_temp as $$
    update api_keys
    set expires_at = least(expires_at, moment)
    where key_id = key and (expires_at is null or expires_at > clock_timestamp())
    returning expires_at
$$;

revoke execute on function end_key(text, timestamptz) from public;
