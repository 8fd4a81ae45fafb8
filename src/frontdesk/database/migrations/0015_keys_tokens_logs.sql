-- Keys that can be replaced while serving, limits of their own for administration, and logs that are
-- fast with millions of rows.

-- The key of the keyed hashes (budget scopes, session names), sealed like a credential. They must not
-- change with the key that encrypts: two names for one party would be two budgets.
CREATE TABLE vault_secrets (
    name text PRIMARY KEY,
    sealed bytea NOT NULL
);

-- Keys that no value here is encrypted with any more. A process that would encrypt with one must not
-- start; a backup from before may still need it.
CREATE TABLE dropped_keys (
    fingerprint text PRIMARY KEY,
    dropped_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What a column of bytes or a sealed document holds, for `frontdesk keys rotate`, which finds its work
-- by these words: `sealed <how> of <the column it is bound to>`, or `hash`. A test refuses a column
-- of bytes that says neither.
COMMENT ON COLUMN integrations.credentials IS 'sealed credentials of id';
COMMENT ON COLUMN pms_sessions.token IS 'sealed token of name';
COMMENT ON COLUMN vault_secrets.sealed IS 'sealed secret of name';
COMMENT ON COLUMN attempts.request IS 'sealed json of job_id';
COMMENT ON COLUMN attempts.answer IS 'sealed json of job_id';
COMMENT ON COLUMN tokens.digest IS 'hash';
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'hash';
DO $$
BEGIN
    IF to_regclass('webhooks') IS NOT NULL THEN
        COMMENT ON COLUMN webhooks.headers IS 'sealed text of id';
        COMMENT ON COLUMN webhooks.secret IS 'sealed text of id';
        COMMENT ON COLUMN webhooks.previous_secret IS 'sealed text of id';
        COMMENT ON COLUMN callback_secrets.secret IS 'sealed text of account_id';
        COMMENT ON COLUMN callback_secrets.previous_secret IS 'sealed text of account_id';
    END IF;
END $$;

-- The minutes of what is not an event's traffic: whoever follows or administers must not use up what
-- his events need, nor the other way round.
CREATE TABLE purpose_windows (
    account_id uuid NOT NULL REFERENCES accounts,
    purpose text NOT NULL,
    started_at timestamptz NOT NULL,
    taken integer NOT NULL,
    PRIMARY KEY (account_id, purpose)
);

-- As take_requests (0001), for one purpose.
CREATE FUNCTION take_requests_for(
    the_account uuid, the_purpose text, per_minute integer, want integer,
    OUT granted integer, OUT left_over integer, OUT reset double precision)
LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz;
    spent integer;
    moment timestamptz;
BEGIN
    INSERT INTO purpose_windows (account_id, purpose, started_at, taken)
    VALUES (the_account, the_purpose, clock_timestamp(), 0) ON CONFLICT DO NOTHING;
    SELECT started_at, taken INTO began, spent FROM purpose_windows
    WHERE account_id = the_account AND purpose = the_purpose FOR UPDATE;
    -- Read under the lock, or a grant could be entered into a minute that another process has left.
    moment := clock_timestamp();
    IF moment >= began + interval '60 seconds' OR moment < began - interval '60 seconds' THEN
        began := moment;
        spent := 0;
    END IF;
    granted := greatest(0, least(want, per_minute - spent));
    left_over := greatest(0, per_minute - spent - granted);
    reset := least(60, extract(epoch FROM began + interval '60 seconds' - moment));
    UPDATE purpose_windows SET started_at = began, taken = spent + granted
    WHERE account_id = the_account AND purpose = the_purpose;
END $$;

-- The logs: a list walks each integration of its account along one of these, so a filter by integration
-- costs no index of its own. Those by account go: nothing asks for them any more (the version before
-- does, and is slower at it until it is replaced). A plain CREATE INDEX holds up writing to the table:
-- where there are many millions of rows, make these beforehand with CREATE INDEX CONCURRENTLY, under
-- the same names.
CREATE INDEX IF NOT EXISTS writes_of_integration ON writes (integration_id, submitted_at DESC, id);
CREATE INDEX IF NOT EXISTS attempts_of_integration ON attempts (integration_id, created_at, id);
-- Failures are few, and what one looks for; those not retried yet are what a bulk retry takes.
CREATE INDEX IF NOT EXISTS writes_failed ON writes (integration_id, submitted_at DESC, id)
    WHERE state IN ('failed', 'uncertain', 'cancelled', 'expired');
CREATE INDEX IF NOT EXISTS writes_to_retry ON writes (integration_id, lane_number)
    WHERE state IN ('failed', 'uncertain', 'cancelled', 'expired') AND retried_by IS NULL;
-- contract: no statement of this release reads by it. The previous one is right without it, and slower.
DROP INDEX IF EXISTS writes_of_account;
-- contract: as above.
DROP INDEX IF EXISTS attempts_of_account;
