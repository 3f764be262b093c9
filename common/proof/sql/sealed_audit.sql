-- params: first_leaf bigint
--
-- All sealed audit entries in the order of their leaves, each with the leaf that it gives now.
select
    seal.leaf_index, seal.entry_id,
    case when entry.entry_id is not null then audit_leaf(entry) end as leaf
from audit_seals as seal
left join audit_log as entry on entry.entry_id = seal.entry_id
where seal.leaf_index >= :first_leaf
order by seal.leaf_index
