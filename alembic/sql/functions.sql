-- The first moment of a day in a time zone. Where the zone's clocks show midnight twice, PostgreSQL
-- takes the second: a day has begun by then.
create function local_midnight(day date, zone text) returns timestamptz
language plpgsql immutable strict parallel safe as $$
declare
    midnight timestamptz := day::timestamp at time zone zone;
    day_before timestamptz := midnight - interval '1 day';
    offset_before interval := day_before at time zone zone - day_before at time zone 'UTC';
    earlier timestamptz := (day::timestamp - offset_before) at time zone 'UTC';
begin
    return case when earlier at time zone zone = day::timestamp then earlier else midnight end;
end $$;

-- Where a billing period ends in a time zone, which is where the next one begins.
create function period_end(period date, zone text) returns timestamptz
language sql immutable parallel safe as $$
    select local_midnight((period + interval '1 month')::date, zone)
$$;

-- A user without the contact details: "j***@yahoo.com", "+1 *** **89". As masked_user in
-- services/reports/render/masking.py.
create function masked_user(name text) returns text
language sql immutable strict parallel safe as $$
    select case
        when name like '%@%' then regexp_replace(name, '^(.?).*@([^@]*)$', '\1***@\2')
        else regexp_replace(name, '^([+]?[0-9])[0-9]{3,}([0-9]{2})$', '\1 *** **\2')
    end
$$;

-- How people call the user of a lead: by what the user is known by. Null: by nothing, or erased.
-- Masked in a transaction that serves somebody who may not see people, so that searches find and
-- sort what is shown, too.
create function user_name(lead leads) returns text
language sql stable parallel safe as $$
    select case
        when current_setting('lead_billing.people', true) = 'masked' then masked_user(
            case lead.known_by
                when 'email' then lead.user_email
                when 'phone' then lead.user_phone
                when 'external_id' then lead.user_external_id
            end
        )
        else case lead.known_by
            when 'email' then lead.user_email
            when 'phone' then lead.user_phone
            when 'external_id' then lead.user_external_id
        end
    end
$$;

-- The billing period of a moment in a time zone, as the first day of its month.
create function billing_period_of(moment timestamptz, zone text) returns date
language plpgsql immutable strict parallel safe as $$
declare
    month date := date_trunc('month', moment at time zone zone);
    next_month date := month + interval '1 month';
begin
    return case when moment < local_midnight(next_month, zone) then month else next_month end;
end $$;

-- The customer that a transaction is limited to; null where it is limited to none. Policies compare
-- `customer_id` with it; PostgreSQL writes it into them.
create function tenant() returns uuid language sql stable parallel safe as $$
    select nullif(current_setting('lead_billing.tenant', true), '')::uuid
$$;

-- The lines of a block, one row each. In plpgsql: PostgreSQL would write a function in SQL into the
-- statement around it, expect ten rows of it, and join them in loops. Immutable: a common table
-- expression with a volatile function is computed whole, also where one row of it is asked for.
create function lines_of_block(
    uuid[], uuid[], uuid[], uuid[], text[], text[], engagement_level[], timestamptz[], int[], int[],
    int[], text[], uuid[], uuid[], timestamptz[]
)
returns table (
    lead_id uuid, action_id uuid, product_id uuid, user_key uuid, lead_type text, action_type text,
    engagement_level engagement_level, "timestamp" timestamptz, gross_cents int, billed_cents int,
    cap_used_before_cents int, rate text, duplicate_of_lead_id uuid, duplicate_of_action_id uuid,
    duplicate_of_timestamp timestamptz, place bigint
)
language plpgsql immutable parallel safe rows 250 as $$
begin
    return query
    select *
    from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        with ordinality;
end $$;
