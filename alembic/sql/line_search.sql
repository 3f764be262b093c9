-- Whether a search finds a line of a report. `search` holds what is asked for by name; the lead and
-- the user are found by any part of their text, in upper or lower case.
create function line_matches(
    search jsonb, lead text, product text, lead_type text, user_name text, level engagement_level,
    outcome outcome
) returns boolean language sql immutable parallel safe as $$
    select (search ->> 'product' is null or product = search ->> 'product')
        and (search ->> 'lead_type' is null or lead_type = search ->> 'lead_type')
        and (search ->> 'user' is null or strpos(lower(user_name), lower(search ->> 'user')) > 0)
        and (search ->> 'lead' is null or strpos(lower(lead), lower(search ->> 'lead')) > 0)
        and (search ->> 'level' is null or level = (search ->> 'level')::engagement_level)
        and (search ->> 'outcome' is null or outcome = (search ->> 'outcome')::outcome)
$$;

-- The text that a column of lines is sorted by; null for a column of times or amounts.
create function line_sort_text(
    sort text, lead text, product text, lead_type text, user_name text, action_type text
) returns text language sql immutable parallel safe as $$
    select case sort
        when 'lead' then lead
        when 'product' then product
        when 'lead_type' then lead_type
        when 'user' then user_name
        when 'action' then action_type
    end collate "C"
$$;

-- The number that a column of lines is sorted by; null for a column of texts.
create function line_sort_number(
    sort text, "timestamp" timestamptz, gross_cents int, saved_cents int, billed_cents int
) returns bigint language sql stable parallel safe as $$
    select case sort
        when 'time' then (extract(epoch from "timestamp") * 1000000)::bigint
        when 'gross' then gross_cents
        when 'saved' then saved_cents
        when 'billed' then billed_cents
    end
$$;
