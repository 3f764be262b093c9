-- The id of an action: a hash of its content, so that the id stands for the action's lead, moment,
-- level and folded type (docs/verification.md, What follows from a block).
create function action_id(
    lead_id uuid, "timestamp" timestamptz, level engagement_level, occurrence int, action_key text
) returns uuid language sql stable parallel safe as $$
    select encode(
        substr(
            sha256(
                uuid_send(lead_id) || timestamptz_send("timestamp") || enum_send(level)
                || int4send(occurrence) || textsend(action_key)
            ),
            1, 16
        ),
        'hex'
    )::uuid
$$;

-- The hash of a block of a final report's lines (docs/verification.md, A block).
create function block_hash(
    period date,
    cap_limit_cents int,
    action_ids uuid[],
    product_ids uuid[],
    user_keys uuid[],
    lead_types text[],
    action_types text[],
    gross_cents int[],
    cap_used_before_cents int[],
    rates text[],
    duplicate_of_lead_ids uuid[],
    duplicate_of_action_ids uuid[]
) returns bytea language sql stable parallel safe as $$
    select sha256(
        convert_to(to_char(period::timestamp, 'YYYY-MM') || ' ' || cap_limit_cents, 'UTF8')
        || sha512(array_send(action_ids)) || sha512(array_send(product_ids))
        || sha512(array_send(user_keys)) || sha512(array_send(lead_types))
        || sha512(array_send(action_types)) || sha512(array_send(gross_cents))
        || sha512(array_send(cap_used_before_cents)) || sha512(array_send(rates))
        || sha512(array_send(duplicate_of_lead_ids))
        || sha512(array_send(duplicate_of_action_ids))
    )
$$;

-- The hash of a credit on a final report (docs/verification.md, Credits and the header).
create function credit_hash(
    dispute_id uuid,
    reason dispute_reason,
    of_period date,
    of_line_number int,
    lead text,
    action_id uuid,
    amount_cents int
) returns bytea language sql stable parallel safe as $$
    select sha256(convert_to(json_build_array(
        dispute_id, reason, to_char(of_period::timestamp, 'YYYY-MM'), of_line_number, lead,
        action_id, -amount_cents
    )::text, 'UTF8'))
$$;

-- What a rate card charges for each level: arrays of product id, lead type, level and cents. Prices
-- of certain products only where they are named, so that nobody is shown another's products.
create function unit_prices(card_id uuid, of_products uuid[]) returns jsonb
language sql stable parallel safe as $$
    select coalesce(
        jsonb_agg(
            jsonb_build_array(
                products.external_id, rates.lead_type, rates.engagement_level, rates.amount_cents
            )
            order by products.external_id collate "C" nulls first,
                rates.lead_type collate "C" nulls first, rates.engagement_level
        ),
        '[]'
    )
    from rate_card_rates as rates
    left join products on products.product_id = rates.product_id
    where rates.rate_card_id = card_id
        and (rates.product_id is null or rates.product_id = any(of_products))
$$;

-- The header of a final report as its hash holds it (docs/verification.md, Credits and the header).
create function report_header(
    customer text,
    customer_name text,
    period date,
    timezone text,
    issuer text,
    finalized_at timestamptz,
    card_name text,
    card_version int,
    product_names jsonb,
    previous_hash text,
    lead_count bigint,
    action_count bigint,
    prior_action_count bigint,
    gross_cents bigint,
    billed_cents bigint,
    duplicate_cents bigint,
    cap_cents bigint,
    prior_billed_cents bigint,
    credit_count bigint,
    credit_cents bigint,
    due_cents bigint,
    document_type text,
    number text,
    issue_date date,
    payment_terms_days int,
    due_date date,
    issuer_address text,
    issuer_tax_id text,
    customer_address text,
    customer_tax_id text,
    unit_prices jsonb
) returns jsonb language sql stable parallel safe as $$
    select jsonb_build_array(
        'lead-billing-report/1', customer, customer_name, to_char(period::timestamp, 'YYYY-MM'),
        timezone, issuer,
        to_char(finalized_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        card_name, card_version, product_names, previous_hash, lead_count, action_count,
        prior_action_count, gross_cents, billed_cents, duplicate_cents, cap_cents,
        prior_billed_cents, credit_count, -credit_cents, due_cents, document_type, number,
        issue_date::text, payment_terms_days, due_date::text, issuer_address, issuer_tax_id,
        customer_address, customer_tax_id, unit_prices
    )
$$;

-- The hash of a final report: of its header, then of its blocks' and credits' hashes, each joined in
-- their order (docs/verification.md, Credits and the header).
create function report_hash(header jsonb, block_hashes bytea, credit_hashes bytea)
returns text language sql stable parallel safe as $$
    select encode(sha256(convert_to(header::text, 'UTF8') || block_hashes || credit_hashes), 'hex')
$$;
