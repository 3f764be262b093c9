-- params: customer_id uuid, lead_id uuid, action_ids uuid[], reason text
--
-- Moves actions of a lead to the voided ones (alembic/sql/voiding.sql), and returns how many.
select void_actions(:customer_id, :lead_id, cast(:action_ids as uuid[]), :reason)
