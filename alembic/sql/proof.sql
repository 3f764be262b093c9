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

-- A dispute as its audit entries hold it: its row, and the actions whose lines it is about.
create function dispute_hash(customer uuid, dispute uuid) returns text
language sql stable parallel safe as $$
    select encode(sha256(row_hash(disputes) || coalesce(lines.actions, ''::bytea)), 'hex')
    from disputes
    cross join (
        select string_agg(uuid_send(action_id), ''::bytea order by action_id) as actions
        from dispute_lines
        where dispute_lines.customer_id = customer and dispute_lines.dispute_id = dispute
    ) as lines
    where disputes.customer_id = customer and disputes.dispute_id = dispute
$$;

-- A billing run as its audit entries hold it.
create function run_hash(run uuid) returns text language sql stable parallel safe as $$
    select encode(row_hash(billing_runs), 'hex') from billing_runs where billing_runs.run_id = run
$$;
