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
