-- What a row says, as a hash. Members that are null are left out, and so are those of `but`: what
-- may change later.
create function row_hash(content anyelement, but text[] default '{}') returns bytea
language sql stable parallel safe set timezone = 'UTC' as $$
    select sha256(convert_to((jsonb_strip_nulls(to_jsonb(content)) - but)::text, 'UTF8'))
$$;

-- A report's leaf in the tree of all final reports (docs/verification.md, Heads).
create function report_leaf(customer text, period date, content_hash text, facts jsonb)
returns bytea language sql stable parallel safe as $$
    select sha256('\x00'::bytea || convert_to(json_build_array(
        'lead-billing-leaf/1', customer, to_char(period::timestamp, 'YYYY-MM'), content_hash,
        encode(sha256(convert_to(facts::text, 'UTF8')), 'hex')
    )::text, 'UTF8'))
$$;

-- An audit entry's leaf in the tree of all of them.
create function audit_leaf(entry audit_log) returns bytea language sql stable parallel safe as $$
    select sha256('\x00'::bytea || convert_to(json_build_array(
        entry.entry_id,
        to_char(entry.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        entry.actor, entry.database_user, entry.action, entry.subject, entry.subject_id,
        entry.before, entry.after
    )::text, 'UTF8'))
$$;
