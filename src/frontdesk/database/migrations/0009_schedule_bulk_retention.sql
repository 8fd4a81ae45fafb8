-- Writes that wait for their time, calls that bring many writes at once, and what is kept for how long.

-- When a scheduled write enters its lane; NULL once it has, and for all others. An index of its own,
-- in which no other write has an entry: a million scheduled ones cost the queue nothing.
ALTER TABLE writes ADD COLUMN scheduled_for timestamptz;
CREATE INDEX writes_scheduled ON writes (scheduled_for, lane_number) WHERE scheduled_for IS NOT NULL;

-- Few, and looked for again and again while they are fresh.
CREATE INDEX writes_uncertain ON writes (integration_id, finished_at) WHERE state = 'uncertain';

-- Lane numbers from here on are no place in a lane yet: whatever looks for the head of a lane, or for
-- what is before a write, finds those that have a place first, by the same index. Among themselves
-- they keep the order in which they were accepted.
CREATE FUNCTION without_place() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT 4611686018427387904 $$;

-- As in 0004; new: `send_at` (a write with a later one is scheduled) and `expires_at`.
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
                        AND earlier.lane_number < without_place())
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
                AND mine.job_id = w.id)
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
ALTER FUNCTION accept_writes(jsonb) SET plan_cache_mode = force_generic_plan;

-- The same, for a batch in which a write bears times of its own. Before this migration the times
-- would be passed over in silence: asked for under this name, the batch fails instead.
CREATE FUNCTION accept_timed_writes(batch jsonb) RETURNS TABLE (
    refused_id uuid, taken_by uuid, fingerprint bytea, answer jsonb)
LANGUAGE sql AS $$ SELECT * FROM accept_writes(batch) $$;

-- Let the next write of each of these lanes be taken. The caller holds the lanes' locks.
CREATE OR REPLACE FUNCTION open_lanes(integrations uuid[], residents uuid[]) RETURNS void
LANGUAGE sql AS $$
    UPDATE writes AS next SET ready_at = clock_timestamp()
    FROM (SELECT DISTINCT integration_id, resident_id
          FROM unnest(integrations, residents) AS l(integration_id, resident_id)) AS lane,
        LATERAL (
            SELECT head.id, head.state, head.ready_at, head.started_at FROM writes AS head
            WHERE head.integration_id = lane.integration_id
                AND head.resident_id = lane.resident_id
                AND head.finished_at IS NULL AND head.lane_number < without_place()
            ORDER BY head.lane_number LIMIT 1) AS first
    WHERE next.id = first.id AND first.ready_at IS NULL AND first.started_at IS NULL
        AND first.state IN ('queued', 'reconciling')
$$;

-- Move up to `portion` scheduled writes whose time has come to the ends of their lanes, in the order
-- of their times; returns how many were looked at, 0 when none is due. One process moves at a time.
CREATE FUNCTION enter_lanes(portion integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    due uuid[];
    integrations uuid[];
    residents uuid[];
    touched text;
    moment timestamptz;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7022) THEN
        RETURN 0;
    END IF;
    -- In a variable: the index is no help against a clock that is asked anew for each row.
    moment := clock_timestamp();
    SELECT array_agg(d.id ORDER BY d.scheduled_for, d.lane_number) INTO due FROM (
        SELECT id, scheduled_for, lane_number FROM writes WHERE scheduled_for <= moment
        ORDER BY scheduled_for, lane_number LIMIT portion) AS d;
    IF due IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(k) FROM (
        SELECT DISTINCT lane_lock(integration_id, resident_id) AS k
        FROM writes WHERE id = ANY (due) ORDER BY 1) AS locks;
    -- Cancelled or expired meanwhile: then it is scheduled no more.
    -- Materialised: planned as the inner side of a loop, the numbers would be drawn anew for each write,
    -- and not in the order of their times.
    WITH drawn AS MATERIALIZED (
        SELECT sorted.id, nextval('lane_numbers') AS number
        FROM (SELECT d.id FROM unnest(due) WITH ORDINALITY AS d(id, place) ORDER BY d.place) AS sorted),
    entered AS (
        UPDATE writes AS w SET state = 'queued', scheduled_for = NULL, lane_number = drawn.number
        FROM drawn
        WHERE w.id = drawn.id AND w.state = 'scheduled'
        RETURNING w.integration_id, w.resident_id)
    SELECT array_agg(integration_id), array_agg(resident_id),
        string_agg(DISTINCT integration_id::text, ',')
    INTO integrations, residents, touched FROM entered;
    PERFORM open_lanes(integrations, residents);
    PERFORM pg_notify('frontdesk_writes', CASE WHEN length(touched) < 7900 THEN touched ELSE '' END)
    WHERE touched IS NOT NULL;
    RETURN cardinality(due);
END $$;

-- As in 0004; what has ended is not scheduled any more.
CREATE OR REPLACE FUNCTION end_writes(ids uuid[], new_state text, code text, message text)
RETURNS SETOF uuid
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
        UPDATE writes SET state = new_state, error_code = code, ready_at = NULL, scheduled_for = NULL,
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

-- Accept the writes that one call brought, all or none; `the_call` is {id, account_id,
-- idempotency_key, fingerprint, answer}. Its key is its own, so no write of the batch bears one.
-- Returns a row, and accepts nothing, where the key is taken: by which call or write, and its answer.
CREATE FUNCTION accept_call(the_call jsonb, batch jsonb) RETURNS TABLE (
    taken_by uuid, fingerprint bytea, answer jsonb)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    -- Lanes before keys, as in accept_writes, or the two would deadlock over one key.
    PERFORM pg_advisory_xact_lock(k) FROM (
        SELECT DISTINCT lane_lock((w->>'integration_id')::uuid, (w->>'resident_id')::uuid) AS k
        FROM jsonb_array_elements(batch) AS w ORDER BY 1) AS locks;
    IF the_call->>'idempotency_key' IS NOT NULL THEN
        INSERT INTO idempotency_keys AS kept (account_id, key, fingerprint, job_id, answer)
        VALUES ((the_call->>'account_id')::uuid, the_call->>'idempotency_key',
            decode(the_call->>'fingerprint', 'hex'), (the_call->>'id')::uuid, the_call->'answer')
        ON CONFLICT (account_id, key) DO UPDATE
            SET fingerprint = EXCLUDED.fingerprint, job_id = EXCLUDED.job_id,
                answer = EXCLUDED.answer, created_at = EXCLUDED.created_at
            WHERE kept.created_at < clock_timestamp() - interval '24 hours';
        RETURN QUERY
        SELECT kept.job_id, kept.fingerprint, kept.answer FROM idempotency_keys AS kept
        WHERE kept.account_id = (the_call->>'account_id')::uuid
            AND kept.key = the_call->>'idempotency_key' AND kept.job_id <> (the_call->>'id')::uuid;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;
    PERFORM accept_writes(batch);
END $$;

-- A write that ended uncertain has been found at the PMS: it succeeded after all. As in
-- finish_attempts, the event is in the cache from that moment, and a record that was read as a
-- stranger's becomes ours. Returns whether the write was still uncertain, and not sent again since.
CREATE FUNCTION settle_uncertain(the_write uuid, the_x_id text, seen jsonb, the_author text)
RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    mine writes%ROWTYPE;
    the_event uuid;
BEGIN
    -- A retry that is being accepted is seen, or sees this.
    PERFORM pg_advisory_xact_lock(lane_lock(integration_id, resident_id))
    FROM writes WHERE id = the_write;
    UPDATE writes SET state = 'succeeded', x_id = the_x_id, resolution = 'matched', error_code = NULL,
        errors = '[]', unsettled = false, finished_at = clock_timestamp()
    WHERE id = the_write AND state = 'uncertain' AND operation = 'create' AND retried_by IS NULL
    RETURNING * INTO mine;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO events AS e (
        id, account_id, integration_id, vendor, x_id, x_property_id, property_id, data, links,
        resident_id, origin_job_id, author)
    VALUES (mine.event_id, mine.account_id, mine.integration_id, mine.vendor, mine.x_id,
        mine.event->>'x_property_id', (mine.event->>'property_id')::uuid,
        jsonb_strip_nulls(seen) || (mine.event->'data'), coalesce(mine.event->'links', '{}'),
        mine.resident_id, mine.id, the_author)
    ON CONFLICT (integration_id, x_id) DO UPDATE
        SET origin_job_id = EXCLUDED.origin_job_id, data = e.data || EXCLUDED.data,
            author = coalesce(EXCLUDED.author, e.author), updated_at = clock_timestamp()
    RETURNING e.id INTO the_event;
    IF the_event <> mine.event_id THEN
        UPDATE writes SET event_id = the_event WHERE id = the_write;
    END IF;
    RETURN true;
END $$;
