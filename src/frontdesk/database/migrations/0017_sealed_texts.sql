-- Where residents' texts may be sealed (FRONTDESK_ENCRYPT_PERSONAL_DATA): for `frontdesk keys rotate`, which
-- finds its work by these words (0015). `texts`: strings that begin with a mark, in a JSON document or
-- alone, beside what is stored in the clear; `json`: a document that is sealed as a whole.
COMMENT ON COLUMN writes.plan IS 'sealed json of id';
COMMENT ON COLUMN writes.input IS 'sealed texts of account_id';
COMMENT ON COLUMN writes.event IS 'sealed texts of account_id';
COMMENT ON COLUMN writes.warnings IS 'sealed texts of account_id';
COMMENT ON COLUMN writes.errors IS 'sealed texts of account_id';
COMMENT ON COLUMN attempts.message IS 'sealed texts of account_id';
COMMENT ON COLUMN idempotency_keys.answer IS 'sealed texts of account_id';
COMMENT ON COLUMN events.data IS 'sealed texts of account_id';
COMMENT ON COLUMN events.extra IS 'sealed texts of account_id';
DO $$
BEGIN
    IF to_regclass('webhook_notices') IS NOT NULL THEN
        COMMENT ON COLUMN webhook_notices.told IS 'sealed texts of account_id';
        COMMENT ON COLUMN webhook_notices.before IS 'sealed texts of account_id';
        COMMENT ON COLUMN webhook_notices.after IS 'sealed texts of account_id';
        COMMENT ON COLUMN webhook_deliveries.body IS 'sealed texts of account_id';
    END IF;
END $$;
