-- What rating knows of an action beforehand. In this order lines use up a cap and are originals of
-- duplicates: final lines come before those that are still to be rated.
create type line_state as enum ('final_charged', 'final_duplicate', 'to_rate');

-- What became of an action on a bill (docs/billing-rules.md, Duplicate).
create function line_outcome(is_duplicate boolean, gross_cents int, billed_cents int)
returns outcome
language sql immutable parallel safe as $$
    select case
        when is_duplicate then 'duplicate'::outcome
        when billed_cents = gross_cents then 'billed'
        when billed_cents > 0 then 'partially_capped'
        else 'capped'
    end
$$;

-- The block of a final report that holds a line of a month, by the line's number in the month:
-- up to 250 lines each.
create function block_of(number bigint) returns bigint language sql immutable parallel safe as $$
    select (number - 1) / 250
$$;

-- The outcome's place in a set of outcomes that is kept as an int (standing_lead_totals).
create function outcome_bit(outcome outcome) returns int
language sql immutable parallel safe as $$
    select case outcome
        when 'billed' then 1
        when 'duplicate' then 2
        when 'partially_capped' then 4
        else 8
    end
$$;
