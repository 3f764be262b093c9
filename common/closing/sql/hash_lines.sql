-- Hashes the lines, behind the common table expressions of number_lines.sql, and of name_lines.sql
-- where the canonical form holds names (docs/verification.md).
lines as materialized (
    select
        line.*,
        {canonical_line} as line_hash
    from {line_source} as line
)
