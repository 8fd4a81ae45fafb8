-- The tokens that logins at a PMS gave. One for all workers: a PMS counts live tokens, and refuses
-- the login past its number.
CREATE TABLE pms_sessions (
    name text PRIMARY KEY,                  -- keyed hash of address and credentials
    token bytea,                            -- sealed; NULL: none, or refused
    number bigint NOT NULL DEFAULT 0,       -- grows with each login; tells a token from its successor
    obtained_at timestamptz,
    used_at timestamptz,                    -- to within a minute
    login_until timestamptz                 -- one process is logging in; nobody else does until then
);
