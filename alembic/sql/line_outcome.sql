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
$$
