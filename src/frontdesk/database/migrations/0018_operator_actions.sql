-- Operators' actions that concern no account: keys, purges, a restore. No account's list shows them;
-- `frontdesk audit` does.
ALTER TABLE admin_actions ALTER COLUMN account_id DROP NOT NULL;
CREATE INDEX admin_actions_by_time ON admin_actions (created_at, id);
