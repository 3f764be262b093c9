-- params: customer_id uuid, user_keys uuid[], lead_ids uuid[]
-- params: quarantine_ids uuid[], quarantined_user_keys uuid[]
--
-- Takes a user out of leads and quarantined leads (alembic/sql/erasure.sql).
select *
from erase_users(
    :customer_id, cast(:user_keys as uuid[]), cast(:lead_ids as uuid[]),
    cast(:quarantine_ids as uuid[]), cast(:quarantined_user_keys as uuid[])
)
