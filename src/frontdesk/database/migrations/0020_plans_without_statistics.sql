-- The hot functions are planned by statistics that may tell of another time. On a new database, and after a
-- restore, tables are thought to be empty, and are read whole, again and again. And where events are usually
-- sent at once, the statistics know of none that waits: then whatever is thought to hold those alone costs
-- nothing, and with ten thousand waiting all of them were read for each lane.

-- Only the index by lane is left to those who look for what has not ended in a lane.
-- contract: it is back with the next statement, for all that either release asks of it.
DROP INDEX writes_expiring;
CREATE INDEX writes_expiring ON writes (expires_at)
    WHERE finished_at IS NULL AND state IN ('scheduled', 'queued', 'retrying');

-- OFFSET 0 has each row look for itself: else all that wait, and all keys, may be read into a table first. The
-- order is that of the index by lane, which no other one gives.
CREATE OR REPLACE FUNCTION accept_writes(batch jsonb) RETURNS TABLE (
    refused_id uuid, taken_by uuid, fingerprint bytea, answer jsonb)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    integrations_touched text;
    moment timestamptz;
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

    moment := clock_timestamp();
    -- The retry of an uncertain write begins by looking for it, with that write's own times. What has
    -- no place yet is behind nothing and before nothing.
    INSERT INTO writes (
        id, account_id, integration_id, vendor, operation, resident_id, budget_key, state,
        scheduled_for, lane_number, ready_at,
        input, plan, event, warnings, event_id, external_reference, expires_at, retry_of,
        first_sent_at, send_before, unsettled, finished_at, errors)
    SELECT w.id, w.account_id, w.integration_id, w.vendor, w.operation, w.resident_id, w.budget_key,
        w.first_state, w.scheduled_for,
        CASE WHEN w.scheduled_for IS NULL THEN 0 ELSE without_place() END + nextval('lane_numbers'),
        w.ready_at,
        w.input, w.plan, w.event, w.warnings, w.event_id, w.external_reference,
        coalesce(w.expires_at,
            coalesce(w.scheduled_for, moment) + make_interval(hours => w.expiry_hours)),
        w.retry_of, w.first_sent_at, w.send_before, w.unsettled,
        CASE WHEN w.is_needless THEN moment END,
        CASE WHEN w.is_needless THEN jsonb_build_array(jsonb_build_object('code', 'found',
            'message', 'The write that this one was to retry has been found at the PMS.',
            'retryable', false, 'upstream_status', NULL)) ELSE '[]' END
    FROM (
        SELECT w.*,
            -- It was uncertain when its retry was asked for, and has been found since.
            coalesce(old.state = 'succeeded', false) AS is_needless,
            CASE WHEN old.state = 'uncertain' THEN 'reconciling'
                WHEN old.state = 'succeeded' THEN 'cancelled'
                WHEN w.send_at > moment THEN 'scheduled' ELSE 'queued' END AS first_state,
            CASE WHEN w.send_at > moment THEN w.send_at END AS scheduled_for,
            CASE WHEN w.send_at > moment OR old.state = 'succeeded' THEN NULL
                WHEN row_number() OVER (
                    PARTITION BY w.integration_id, w.resident_id,
                        coalesce(w.send_at > moment OR old.state = 'succeeded', false)
                    ORDER BY w.place) = 1
                AND NOT EXISTS (
                    SELECT FROM writes AS earlier
                    WHERE earlier.integration_id = w.integration_id
                        AND earlier.resident_id = w.resident_id AND earlier.finished_at IS NULL
                        AND earlier.lane_number < without_place()
                    ORDER BY earlier.lane_number LIMIT 1 OFFSET 0)
                THEN moment END AS ready_at,
            CASE WHEN old.state = 'uncertain' THEN old.first_sent_at END AS first_sent_at,
            CASE WHEN old.state = 'uncertain' THEN old.send_before END AS send_before,
            coalesce(old.state = 'uncertain', false) AS unsettled
        FROM jsonb_to_recordset(batch) AS w(
            place integer, id uuid, account_id uuid, integration_id uuid, vendor text,
            operation text, resident_id uuid, budget_key text, input jsonb, plan jsonb, event jsonb,
            warnings jsonb, event_id uuid, external_reference text, expiry_hours integer,
            send_at timestamptz, expires_at timestamptz, retry_of uuid, idempotency_key text)
        LEFT JOIN writes AS old ON old.id = w.retry_of
        WHERE w.idempotency_key IS NULL OR EXISTS (
            SELECT FROM idempotency_keys AS mine
            WHERE mine.account_id = w.account_id AND mine.key = w.idempotency_key
                AND mine.job_id = w.id
            OFFSET 0)
        -- Sorted in here, so that the numbers are drawn in this order.
        ORDER BY w.place) AS w
    ON CONFLICT (id) DO NOTHING;

    UPDATE writes AS old SET retried_by = w.id
    FROM jsonb_to_recordset(batch) AS w(id uuid, retry_of uuid)
    WHERE old.id = w.retry_of;

    -- One wake-up for the batch; past the size of a payload it wakes every worker for everything.
    SELECT string_agg(DISTINCT w->>'integration_id', ',') INTO integrations_touched
    FROM jsonb_array_elements(batch) AS w;
    PERFORM pg_notify('frontdesk_writes',
        CASE WHEN length(integrations_touched) < 7900 THEN integrations_touched ELSE '' END)
    WHERE integrations_touched IS NOT NULL;

    RETURN QUERY
    SELECT w.id, kept.job_id, kept.fingerprint, kept.answer
    FROM jsonb_to_recordset(batch) AS w(id uuid, account_id uuid, idempotency_key text)
    JOIN idempotency_keys AS kept
        ON kept.account_id = w.account_id AND kept.key = w.idempotency_key AND kept.job_id <> w.id;
END $$;

-- What the worker knows of its writes it tells (integration, resident, attempt), and they are not looked up for
-- it; a worker of the release before does not tell. The next of a lane is looked for behind the one that has
-- ended, which was its head: before it lie only those that have ended, in as many versions as they had states,
-- and to walk over them was a quarter of the cost of an end.
CREATE OR REPLACE FUNCTION finish_attempts(worker uuid, batch jsonb) RETURNS SETOF uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moved uuid[];
    updates boolean;
    renamed_writes uuid[];
    renamed_events uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock(k) FROM (
        SELECT DISTINCT lane_lock(
            coalesce(r.integration_id, (SELECT w.integration_id FROM writes AS w WHERE w.id = r.write_id)),
            coalesce(r.resident_id, (SELECT w.resident_id FROM writes AS w WHERE w.id = r.write_id))) AS k
        FROM jsonb_to_recordset(batch) AS r(
            write_id uuid, integration_id uuid, resident_id uuid, ends boolean)
        WHERE r.ends ORDER BY 1) AS locks;

    WITH rows AS MATERIALIZED (
        SELECT r.*,
            coalesce(r.integration_id, (SELECT w.integration_id FROM writes AS w WHERE w.id = r.write_id))
                AS held_in,
            -- For each row by itself: joined, and with the table thought to be empty, every attempt that there
            -- is would be read and compared with every row.
            coalesce(r.attempt_id, (SELECT sent.id FROM attempts AS sent WHERE sent.job_id = r.write_id
                AND sent.kind = 'send' AND sent.number = r.number)) AS told_of
        FROM jsonb_to_recordset(batch) AS r(
            write_id uuid, integration_id uuid, attempt_id uuid, number integer, epoch bigint,
            from_state text, state text, ends boolean,
            delay double precision, failed boolean, x_id text, resolution text, error jsonb,
            outcome text, send_within double precision, settled boolean, code text, message text,
            upstream_status integer, sent_at timestamptz, request jsonb, answer jsonb, author text)),
    allowed AS (
        SELECT r.* FROM rows AS r
        -- Not by equality but for the integration: a worker holds many leases, and many have one epoch.
        JOIN leases AS l ON l.integration_id = r.held_in
            AND l.worker_id IS NOT DISTINCT FROM worker AND l.epoch IS NOT DISTINCT FROM r.epoch
        FOR SHARE OF l),
    changed AS (
        UPDATE writes AS w SET
            state = r.state,
            ready_at = CASE WHEN r.ends THEN NULL
                ELSE clock_timestamp() + make_interval(secs => r.delay) END,
            -- A request that never left was no first attempt: what the PMS held until now is not ours.
            first_sent_at = CASE WHEN r.outcome = 'not_sent'
                    AND w.first_sent_at = w.send_before - make_interval(secs => r.send_within)
                THEN NULL ELSE w.first_sent_at END,
            finished_at = CASE WHEN r.ends THEN clock_timestamp() END,
            unsettled = CASE WHEN r.state = 'reconciling' THEN true
                ELSE w.unsettled AND NOT r.ends AND NOT coalesce(r.settled, false) END,
            failures = w.failures + CASE WHEN r.failed THEN 1 ELSE 0 END,
            x_id = coalesce(r.x_id, w.x_id),
            resolution = coalesce(r.resolution, w.resolution),
            error_code = CASE WHEN r.state = 'succeeded' THEN NULL
                ELSE coalesce(r.error->>'code', w.error_code) END,
            errors = CASE WHEN r.state = 'succeeded' THEN '[]'::jsonb
                WHEN r.error IS NULL THEN w.errors
                ELSE jsonb_build_array(r.error) END
        FROM allowed AS r
        WHERE w.id = r.write_id AND w.integration_id = r.held_in
            AND w.attempts = r.number AND w.state = r.from_state AND w.ready_at IS NULL
        RETURNING w.id, w.account_id, w.integration_id, w.vendor, w.operation, w.resident_id, w.lane_number,
            w.state, w.event, w.event_id, w.x_id, w.finished_at, r.author),
    told AS (
        UPDATE attempts AS a SET
            outcome = r.outcome, code = r.code, message = r.message,
            upstream_status = r.upstream_status, x_id = r.x_id, sent_at = r.sent_at,
            finished_at = coalesce(a.finished_at, clock_timestamp()),
            request = r.request, answer = r.answer,
            late = r.is_late AND a.outcome IS DISTINCT FROM r.outcome
        FROM (SELECT rows.*, NOT EXISTS (SELECT FROM changed WHERE changed.id = rows.write_id) AS is_late
            FROM rows WHERE rows.from_state = 'sending') AS r
        WHERE a.id = r.told_of AND a.job_id = r.write_id AND NOT a.late),
    -- The event is in the cache from the moment its write succeeds. A background read may have
    -- brought the same record a moment ago: then it becomes ours.
    stored AS (
        INSERT INTO events AS e (
            id, account_id, integration_id, vendor, x_id, x_property_id, property_id, data, links,
            resident_id, origin_job_id, author)
        SELECT w.event_id, w.account_id, w.integration_id, w.vendor, w.x_id,
            w.event->>'x_property_id', (w.event->>'property_id')::uuid, w.event->'data',
            coalesce(w.event->'links', '{}'), w.resident_id, w.id, w.author
        FROM changed AS w WHERE w.state = 'succeeded' AND w.operation = 'create'
        ON CONFLICT (integration_id, x_id) DO UPDATE
            SET origin_job_id = EXCLUDED.origin_job_id, data = e.data || EXCLUDED.data,
                author = coalesce(EXCLUDED.author, e.author), updated_at = clock_timestamp()
        RETURNING e.id, e.origin_job_id),
    -- As open_lanes does it, under the same locks. That must begin where a lane begins: what is cancelled or
    -- expires need not be its head, and what follows it must not go before the head.
    opened AS (
        UPDATE writes AS next SET ready_at = clock_timestamp()
        FROM (SELECT integration_id, resident_id, max(lane_number) AS ended FROM changed
              WHERE finished_at IS NOT NULL GROUP BY integration_id, resident_id) AS lane,
            LATERAL (
                SELECT head.id FROM writes AS head
                WHERE head.integration_id = lane.integration_id
                    AND head.resident_id = lane.resident_id AND head.finished_at IS NULL
                    AND head.lane_number > lane.ended AND head.lane_number < without_place()
                ORDER BY head.lane_number LIMIT 1) AS first
        WHERE next.id = first.id AND next.ready_at IS NULL AND next.started_at IS NULL
            AND next.state IN ('queued', 'reconciling'))
    SELECT array_agg(w.id),
        bool_or(w.state = 'succeeded' AND w.operation = 'update'),
        array_agg(w.id) FILTER (WHERE stored.id <> w.event_id),
        array_agg(stored.id) FILTER (WHERE stored.id <> w.event_id)
    INTO moved, updates, renamed_writes, renamed_events
    FROM changed AS w LEFT JOIN stored ON stored.origin_job_id = w.id;

    IF renamed_writes IS NOT NULL THEN
        UPDATE writes AS w SET event_id = renamed.event_id
        FROM unnest(renamed_writes, renamed_events) AS renamed(id, event_id) WHERE w.id = renamed.id;
    END IF;
    IF updates THEN
        UPDATE events AS e SET data = e.data || w.event->'data', updated_at = clock_timestamp()
        FROM writes AS w
        WHERE w.id = ANY (moved) AND w.state = 'succeeded' AND w.operation = 'update' AND e.id = w.event_id;
    END IF;
    RETURN QUERY SELECT unnest(moved);
END $$;

-- Each looks a few rows up by their keys, whatever a table is thought to hold. (A plan that cannot do without
-- what is switched off here counts as endlessly dear, and must not be compiled for that.)
ALTER FUNCTION accept_writes(jsonb)
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off;
ALTER FUNCTION claim_writes(uuid, jsonb, double precision)
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off;
ALTER FUNCTION finish_attempts(uuid, jsonb)
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off;

-- No statement compares whole documents, so nothing is gained by knowing how they are spread: to sort thirty
-- thousand of them, again and again while a table grows, took a sixth of the server's time while it went on.
DO $$
DECLARE
    document record;
BEGIN
    FOR document IN
        SELECT a.attrelid::regclass AS in_table, a.attname AS name
        FROM pg_attribute AS a
        JOIN pg_class AS t ON t.oid = a.attrelid AND t.relkind = 'r'
        WHERE t.relnamespace = current_schema()::regnamespace AND a.atttypid = 'jsonb'::regtype
            AND NOT a.attisdropped
        ORDER BY 1, 2
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 0', document.in_table, document.name);
    END LOOP;
END $$;
