-- Who may call: accounts, their tokens, and how many requests a minute they have used.

CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    requests_per_minute integer CHECK (requests_per_minute > 0),  -- NULL: no limit
    created_at timestamptz NOT NULL DEFAULT now()
);

-- `prefix` may be shown and is what a token is looked up by; of the secret only SHA-256 is kept.
CREATE TABLE tokens (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    name text NOT NULL DEFAULT '',
    prefix text NOT NULL UNIQUE,
    digest bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX tokens_of_account ON tokens (account_id);

-- One row per account: the minute under way and the requests that processes have taken from it.
CREATE TABLE request_windows (
    account_id uuid PRIMARY KEY REFERENCES accounts,
    started_at timestamptz NOT NULL,
    taken integer NOT NULL
);

-- Fingerprints of the keys that encrypt credentials here: a process with another key must not start.
CREATE TABLE encryption_keys (
    fingerprint text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Take up to `want` requests of the account's minute; the row's lock makes the sum of what all
-- processes were granted in a minute never exceed the limit. `left_over` is what nobody has taken,
-- `reset` the seconds until the minute ends: what was granted is void from then on.
CREATE FUNCTION take_requests(
    the_account uuid, per_minute integer, want integer,
    OUT granted integer, OUT left_over integer, OUT reset double precision)
LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz;
    spent integer;
    moment timestamptz;
BEGIN
    INSERT INTO request_windows (account_id, started_at, taken)
    VALUES (the_account, clock_timestamp(), 0) ON CONFLICT DO NOTHING;
    SELECT started_at, taken INTO began, spent FROM request_windows
    WHERE account_id = the_account FOR UPDATE;
    -- Read under the lock, or a grant could be entered into a minute that another process has left.
    moment := clock_timestamp();
    IF moment >= began + interval '60 seconds' OR moment < began - interval '60 seconds' THEN
        began := moment;
        spent := 0;
    END IF;
    granted := greatest(0, least(want, per_minute - spent));
    left_over := greatest(0, per_minute - spent - granted);
    reset := least(60, extract(epoch FROM began + interval '60 seconds' - moment));
    UPDATE request_windows SET started_at = began, taken = spent + granted
    WHERE account_id = the_account;
END $$;
