-- params: customer_id uuid, api_key_id text, key_hash bytea, request_hash bytea
-- params: lease_id uuid, lease_seconds int
--
-- Takes an idempotency key for a request, for :lease_seconds: one that is new, whose time is over, or
-- whose request died before it changed anything. No row: somebody else has it, or there is an answer.
insert into idempotency_keys as held (
    customer_id, api_key_id, key_hash, request_hash, lease_id, leased_until
)
values (
    cast(:customer_id as uuid), :api_key_id, :key_hash, :request_hash, cast(:lease_id as uuid),
    now() + make_interval(secs => :lease_seconds)
)
on conflict (customer_id, api_key_id, key_hash) do update set
    request_hash = excluded.request_hash,
    lease_id = excluded.lease_id,
    leased_until = excluded.leased_until,
    is_carried_out = false,
    status = null,
    headers = null,
    body = null,
    expires_at = excluded.expires_at
where held.expires_at <= now()
    or (
        held.status is null
        and not held.is_carried_out
        and held.leased_until <= now()
        and held.request_hash = excluded.request_hash
    )
returning held.lease_id
