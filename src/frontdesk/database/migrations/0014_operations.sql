-- For operators.

-- What the gauges show, read by one process for all (see metrics/repository.py). Not logged: after a
-- crash it is read anew.
CREATE UNLOGGED TABLE metrics_snapshot (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    figures jsonb NOT NULL,
    took double precision NOT NULL,         -- seconds that reading them took
    taken_at timestamptz NOT NULL
);

-- As in 0005, but for a write that waits behind another of its lane to be looked for (a retry of an
-- uncertain one, or any after a restore): no worker has had it in hand, and it keeps its place. Before,
-- a take-over let it go ahead of what was accepted earlier.
CREATE OR REPLACE FUNCTION abandon_attempts(integrations uuid[], reason text) RETURNS void
LANGUAGE sql AS $$
    UPDATE attempts AS a SET outcome = 'unknown', code = 'no_outcome', message = reason,
        finished_at = clock_timestamp()
    FROM writes AS w
    WHERE w.integration_id = ANY (integrations) AND w.finished_at IS NULL AND w.state = 'sending'
        AND a.job_id = w.id AND a.kind = 'send' AND a.number = w.attempts AND a.finished_at IS NULL;
    UPDATE writes AS w SET state = 'reconciling', ready_at = clock_timestamp(), unsettled = true
    WHERE w.integration_id = ANY (integrations) AND w.finished_at IS NULL
        AND (w.state = 'sending' OR (w.state = 'reconciling' AND w.ready_at IS NULL
            AND w.started_at IS NOT NULL));
$$;

-- After a restore from a backup, while no worker runs: whatever had not ended in the backup may have
-- been sent since. Each such write is looked for before it is sent; its lane keeps its order. A first
-- send that the backup does not know was later than anything in the backup, and before now. Returns how
-- many writes there are.
CREATE FUNCTION mark_restored(reason text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    backed_up_at timestamptz;
    marked bigint;
BEGIN
    SELECT least(moment, greatest((SELECT max(submitted_at) FROM writes),
        (SELECT max(created_at) FROM attempts), (SELECT max(finished_at) FROM writes)))
    INTO backed_up_at;
    -- Those whose time has come since would have entered their lanes, in the order of their times.
    WITH drawn AS MATERIALIZED (
        SELECT due.id, nextval('lane_numbers') AS number
        FROM (SELECT id FROM writes WHERE scheduled_for <= moment
              ORDER BY scheduled_for, lane_number) AS due)
    UPDATE writes AS w SET state = 'queued', scheduled_for = NULL, lane_number = drawn.number
    FROM drawn
    WHERE w.id = drawn.id AND w.state = 'scheduled';

    UPDATE attempts AS a SET outcome = 'unknown', code = 'no_outcome', message = reason,
        finished_at = moment
    FROM writes AS w
    WHERE w.finished_at IS NULL AND a.job_id = w.id AND a.kind = 'send' AND a.finished_at IS NULL;

    WITH heads AS (
        SELECT DISTINCT ON (integration_id, resident_id) id FROM writes
        WHERE finished_at IS NULL AND state <> 'scheduled' AND lane_number < without_place()
        ORDER BY integration_id, resident_id, lane_number)
    UPDATE writes AS w SET state = 'reconciling', unsettled = true,
        ready_at = CASE WHEN heads.id IS NOT NULL THEN moment END,
        started_at = CASE WHEN heads.id IS NOT NULL THEN w.started_at END,
        first_sent_at = coalesce(w.first_sent_at, backed_up_at),
        send_before = moment
    FROM writes AS same LEFT JOIN heads ON heads.id = same.id
    WHERE same.id = w.id AND w.finished_at IS NULL AND w.state <> 'scheduled';
    GET DIAGNOSTICS marked = ROW_COUNT;

    UPDATE leases SET worker_id = NULL, epoch = epoch + 1 WHERE worker_id IS NOT NULL;
    DELETE FROM workers;
    RETURN marked;
END $$;

-- What was done by whom, from where: put down in the transaction that does it. `before` and `after`
-- hold what callers can see anyhow, and never a secret; an action on a resident holds nothing of him.
CREATE TABLE admin_actions (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    actor text NOT NULL,                    -- a token's prefix, or `command line`
    client text,                            -- the caller's address; an operator's login on the machine
    request_id text,
    action text NOT NULL,                   -- such as integration.update
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    before jsonb,
    after jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX admin_actions_of_account ON admin_actions (account_id, created_at, id);
CREATE INDEX admin_actions_of_subject ON admin_actions (account_id, subject_id, created_at, id);
