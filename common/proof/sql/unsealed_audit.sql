-- params: max_entries int
--
-- Audit entries that no head holds yet, with their leaves. An entry may be committed after one with
-- a higher id, so all that are not sealed are looked for.
select audit_log.entry_id, audit_leaf(audit_log) as leaf
from audit_log
where not exists (select from audit_seals where audit_seals.entry_id = audit_log.entry_id)
order by audit_log.entry_id
limit :max_entries
