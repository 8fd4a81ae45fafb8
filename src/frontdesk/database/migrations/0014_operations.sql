-- For operators.

-- What the gauges show, read by one process for all (see metrics/repository.py). Not logged: after a
-- crash it is read anew.
CREATE UNLOGGED TABLE metrics_snapshot (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    figures jsonb NOT NULL,
    took double precision NOT NULL,         -- seconds that reading them took
    taken_at timestamptz NOT NULL
);
