-- The durable write and its life. One row a job; one sequence gives every write its place.

CREATE SEQUENCE lane_numbers;

CREATE TABLE writes (
    id uuid PRIMARY KEY,                    -- the contract's job_id
    account_id uuid NOT NULL REFERENCES accounts,
    integration_id uuid NOT NULL REFERENCES integrations,
    vendor text NOT NULL,
    operation text NOT NULL CHECK (operation IN ('create', 'update')),
    resident_id uuid NOT NULL,              -- with integration_id: the lane
    lane_number bigint NOT NULL DEFAULT nextval('lane_numbers'),
    state text NOT NULL DEFAULT 'queued' CHECK (state IN (
        'scheduled', 'queued', 'sending', 'retrying', 'reconciling',
        'succeeded', 'failed', 'uncertain', 'cancelled', 'expired')),
    budget_key text NOT NULL,
    -- When a worker may take it; NULL: behind an earlier event of its lane, in a worker's hands, or ended.
    ready_at timestamptz,
    input jsonb NOT NULL,                   -- what the caller said, without absent fields
    plan jsonb NOT NULL,                    -- what the connector will send, without credentials
    event jsonb NOT NULL,                   -- the event record as it will stand in the cache
    warnings jsonb NOT NULL DEFAULT '[]',
    event_id uuid NOT NULL,                 -- Frontdesk's id of the record, made (or named) at acceptance
    x_id text,                              -- the PMS's id of the record, once known
    resolution text CHECK (resolution IN ('exact', 'matched', 'pending')),
    external_reference text,
    attempts integer NOT NULL DEFAULT 0,    -- number of the latest attempt; fences late completions
    failures integer NOT NULL DEFAULT 0,    -- attempts that count for backoff (a throttle does not)
    unsettled boolean NOT NULL DEFAULT false,   -- a send may have had an effect: neither cancelled nor expired
    first_sent_at timestamptz,
    send_before timestamptz,                -- of the latest attempt
    error_code text,
    errors jsonb NOT NULL DEFAULT '[]',     -- [{code, message, retryable, upstream_status}]
    submitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    expires_at timestamptz NOT NULL,
    retry_of uuid,
    retried_by uuid
);
CREATE INDEX writes_ready ON writes (integration_id, budget_key, ready_at) WHERE ready_at IS NOT NULL;
CREATE INDEX writes_of_lane ON writes (integration_id, resident_id, lane_number) WHERE finished_at IS NULL;
CREATE INDEX writes_expiring ON writes (expires_at) WHERE finished_at IS NULL;
CREATE INDEX writes_of_account ON writes (account_id, submitted_at DESC, id);
CREATE INDEX writes_by_reference ON writes (account_id, external_reference) WHERE external_reference IS NOT NULL;
CREATE INDEX writes_without_x_id ON writes (integration_id) WHERE resolution = 'pending';

-- What a key was answered with. Kept 24 h; only accepted requests have a row.
CREATE TABLE idempotency_keys (
    account_id uuid NOT NULL REFERENCES accounts,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    job_id uuid NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- The lock of a lane: whoever adds to it or ends its head takes this first, in ascending order.
CREATE FUNCTION lane_lock(integration uuid, resident uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT hashtextextended(integration::text || resident::text, 4211) $$;

-- Accept a batch (a JSON array of finished writes). One transaction, so one commit for all.
-- Returns a row for each request that was not accepted because its idempotency key is taken:
-- whose job and answer it is. Asking again with the same ids accepts nothing twice.
CREATE FUNCTION accept_writes(batch jsonb) RETURNS TABLE (
    refused_id uuid, taken_by uuid, fingerprint bytea, answer jsonb)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    integrations_touched text;
BEGIN
    -- Sorted, or two processes that accept for the same lanes would deadlock.
    PERFORM pg_advisory_xact_lock(k) FROM (
        SELECT DISTINCT lane_lock((w->>'integration_id')::uuid, (w->>'resident_id')::uuid) AS k
        FROM jsonb_array_elements(batch) AS w ORDER BY 1) AS locks;

    -- A key whose row is being inserted elsewhere makes this wait for that commit. Sorted, as above.
    INSERT INTO idempotency_keys AS kept (account_id, key, fingerprint, job_id, answer)
    SELECT w.account_id, w.idempotency_key, decode(w.fingerprint, 'hex'), w.id, w.answer
    FROM jsonb_to_recordset(batch) AS w(
        id uuid, account_id uuid, idempotency_key text, fingerprint text, answer jsonb)
    WHERE w.idempotency_key IS NOT NULL
    ORDER BY w.account_id, w.idempotency_key
    ON CONFLICT (account_id, key) DO UPDATE
        SET fingerprint = EXCLUDED.fingerprint, job_id = EXCLUDED.job_id,
            answer = EXCLUDED.answer, created_at = EXCLUDED.created_at
        WHERE kept.created_at < clock_timestamp() - interval '24 hours';

    -- The retry of an uncertain write begins by looking for it, with that write's own times.
    INSERT INTO writes (
        id, account_id, integration_id, vendor, operation, resident_id, budget_key, state, ready_at,
        input, plan, event, warnings, event_id, external_reference, expires_at, retry_of,
        first_sent_at, send_before, unsettled)
    SELECT w.id, w.account_id, w.integration_id, w.vendor, w.operation, w.resident_id, w.budget_key,
        CASE WHEN old.state = 'uncertain' THEN 'reconciling' ELSE 'queued' END,
        CASE WHEN row_number() OVER (PARTITION BY w.integration_id, w.resident_id ORDER BY w.place) = 1
            AND NOT EXISTS (
                SELECT FROM writes AS earlier
                WHERE earlier.integration_id = w.integration_id
                    AND earlier.resident_id = w.resident_id AND earlier.finished_at IS NULL)
            THEN clock_timestamp() END,
        w.input, w.plan, w.event, w.warnings, w.event_id, w.external_reference,
        clock_timestamp() + make_interval(hours => w.expiry_hours), w.retry_of,
        CASE WHEN old.state = 'uncertain' THEN old.first_sent_at END,
        CASE WHEN old.state = 'uncertain' THEN old.send_before END,
        coalesce(old.state = 'uncertain', false)
    FROM jsonb_to_recordset(batch) AS w(
        place integer, id uuid, account_id uuid, integration_id uuid, vendor text, operation text,
        resident_id uuid, budget_key text, input jsonb, plan jsonb, event jsonb, warnings jsonb,
        event_id uuid, external_reference text, expiry_hours integer, retry_of uuid,
        idempotency_key text)
    LEFT JOIN writes AS old ON old.id = w.retry_of
    WHERE w.idempotency_key IS NULL OR EXISTS (
        SELECT FROM idempotency_keys AS mine
        WHERE mine.account_id = w.account_id AND mine.key = w.idempotency_key AND mine.job_id = w.id)
    ORDER BY w.place
    ON CONFLICT (id) DO NOTHING;

    UPDATE writes AS old SET retried_by = w.id
    FROM jsonb_to_recordset(batch) AS w(id uuid, retry_of uuid)
    WHERE old.id = w.retry_of;

    -- One wake-up for the batch; past the size of a payload it wakes every worker for everything.
    SELECT string_agg(DISTINCT w->>'integration_id', ',') INTO integrations_touched
    FROM jsonb_array_elements(batch) AS w;
    PERFORM pg_notify('frontdesk_writes',
        CASE WHEN length(integrations_touched) < 7900 THEN integrations_touched ELSE '' END);

    RETURN QUERY
    SELECT w.id, kept.job_id, kept.fingerprint, kept.answer
    FROM jsonb_to_recordset(batch) AS w(id uuid, account_id uuid, idempotency_key text)
    JOIN idempotency_keys AS kept
        ON kept.account_id = w.account_id AND kept.key = w.idempotency_key AND kept.job_id <> w.id;
END $$;

-- Let the next write of each of these lanes be taken. The caller holds the lanes' locks.
CREATE FUNCTION open_lanes(integrations uuid[], residents uuid[]) RETURNS void
LANGUAGE sql AS $$
    UPDATE writes AS next SET ready_at = clock_timestamp()
    FROM (SELECT DISTINCT integration_id, resident_id
          FROM unnest(integrations, residents) AS l(integration_id, resident_id)) AS lane,
        LATERAL (
            SELECT head.id, head.state, head.ready_at, head.started_at FROM writes AS head
            WHERE head.integration_id = lane.integration_id
                AND head.resident_id = lane.resident_id
                AND head.finished_at IS NULL AND head.state <> 'scheduled'
            ORDER BY head.lane_number LIMIT 1) AS first
    WHERE next.id = first.id AND first.ready_at IS NULL AND first.started_at IS NULL
        AND first.state IN ('queued', 'reconciling')
$$;

-- End writes that are not out (cancelled, expired), and let those behind them go on.
-- Returns the ids that it ended; what is out or ended already is left alone.
CREATE FUNCTION end_writes(ids uuid[], new_state text, code text, message text) RETURNS SETOF uuid
LANGUAGE plpgsql AS $$
DECLARE
    ended uuid[];
    integrations uuid[];
    residents uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock(k) FROM (
        SELECT DISTINCT lane_lock(integration_id, resident_id) AS k
        FROM writes WHERE id = ANY (ids) ORDER BY 1) AS locks;
    WITH done AS (
        UPDATE writes SET state = new_state, error_code = code, ready_at = NULL,
            finished_at = clock_timestamp(),
            errors = errors || jsonb_build_array(jsonb_build_object(
                'code', code, 'message', message, 'retryable', true, 'upstream_status', NULL))
        WHERE id = ANY (ids) AND state IN ('scheduled', 'queued', 'retrying') AND NOT unsettled
        RETURNING id, integration_id, resident_id)
    SELECT array_agg(id), array_agg(integration_id), array_agg(resident_id)
    INTO ended, integrations, residents FROM done;
    PERFORM open_lanes(integrations, residents);
    RETURN QUERY SELECT unnest(ended);
END $$;
