-- What is kept for how long, and what was erased for good.

-- How far a purge has come that leaves its rows in their place, and when the last one by schedule was.
CREATE TABLE purge_progress (
    account_id uuid NOT NULL REFERENCES accounts,
    kind text NOT NULL,
    done_until timestamptz NOT NULL,
    PRIMARY KEY (account_id, kind)
);
CREATE TABLE purge_schedule (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    last_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO purge_schedule DEFAULT VALUES;
