-- The worker's side: who may call which PMS, how often, and every attempt.

-- One heartbeat a process; a lease is alive as long as its worker is.
CREATE TABLE workers (
    id uuid PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);

-- Who makes all PMS calls of an integration. `epoch` grows with each new holder.
-- `not_before`: no call until then, and why (circuit, authentication, rate_limit).
CREATE TABLE leases (
    integration_id uuid PRIMARY KEY REFERENCES integrations,
    worker_id uuid,
    epoch bigint NOT NULL DEFAULT 0,
    not_before timestamptz,
    not_before_reason text,
    not_before_message text,
    failures integer NOT NULL DEFAULT 0
);
CREATE INDEX leases_of_worker ON leases (worker_id);

-- One row an attempt: on disk before the request leaves. Requests and answers are masked.
CREATE TABLE attempts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    job_id uuid NOT NULL,                   -- a write or a read job
    account_id uuid NOT NULL,
    integration_id uuid NOT NULL,
    job_type text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('send', 'read_back', 'read')),
    number integer NOT NULL,
    worker_id uuid,
    epoch bigint,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    send_before timestamptz,
    sent_at timestamptz,
    finished_at timestamptz,
    outcome text,                           -- delivered … unknown, or not_sent
    code text,
    message text,
    upstream_status integer,
    x_id text,
    late boolean NOT NULL DEFAULT false,    -- completed by a worker that no longer held the lease: evidence
    request jsonb,
    answer jsonb,
    UNIQUE (job_id, kind, number)
-- An attempt is short when it is made and long when it has ended: with room left on its page, ending
-- it touches no index.
) WITH (fillfactor = 15);
CREATE INDEX attempts_of_account ON attempts (account_id, created_at DESC, id);

-- Budgets by the scope in which the vendor counts. Each window counts in buckets of 1/60 of its
-- length; a bucket counts whole as long as any part of it may lie in the window.
CREATE TABLE budgets (
    scope text NOT NULL,
    method text NOT NULL,
    blocked_until timestamptz,
    limits jsonb NOT NULL DEFAULT '{}',     -- seconds → limit, where upstream named a lower one
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (scope, method)
);
CREATE TABLE budget_buckets (
    scope text NOT NULL,
    method text NOT NULL,
    seconds integer NOT NULL,
    bucket bigint NOT NULL,
    used integer NOT NULL,
    PRIMARY KEY (scope, method, seconds, bucket)
);

-- Take up to `want` calls; `windows` is [[requests, seconds], …], `keep` the share that this
-- purpose leaves untouched, `life` how long (s) a granted call may wait before it is made.
-- Returns how many were granted and, if none, the seconds after which to ask again.
CREATE FUNCTION take_budget(
    the_scope text, the_method text, windows jsonb, want integer, keep double precision,
    life double precision, OUT granted integer, OUT wait double precision)
LANGUAGE plpgsql AS $$
DECLARE
    row_limits jsonb;
    blocked timestamptz;
    moment double precision;
    item record;
    width double precision;
    first_bucket bigint;
    spent bigint;
    oldest bigint;
    allowed integer;
BEGIN
    SELECT limits, blocked_until INTO row_limits, blocked FROM budgets
    WHERE scope = the_scope AND method = the_method FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO budgets (scope, method) VALUES (the_scope, the_method) ON CONFLICT DO NOTHING;
        SELECT limits, blocked_until INTO row_limits, blocked FROM budgets
        WHERE scope = the_scope AND method = the_method FOR UPDATE;
    END IF;
    -- The clock is read under the lock: read before, a grant could be entered into a bucket that
    -- another process has already left behind.
    moment := extract(epoch FROM clock_timestamp());
    granted := want;
    wait := 0;
    IF blocked > clock_timestamp() THEN
        granted := 0;
        wait := extract(epoch FROM blocked) - moment;
        RETURN;
    END IF;
    FOR item IN SELECT (w->>0)::integer AS requests, (w->>1)::integer AS seconds
        FROM jsonb_array_elements(windows) AS w
    LOOP
        width := item.seconds / 60.0;
        first_bucket := floor((moment - item.seconds - life) / width);
        DELETE FROM budget_buckets WHERE scope = the_scope AND method = the_method
            AND seconds = item.seconds AND bucket < first_bucket;
        SELECT coalesce(sum(used), 0), min(bucket) INTO spent, oldest FROM budget_buckets
        WHERE scope = the_scope AND method = the_method AND seconds = item.seconds;
        allowed := least(item.requests, coalesce((row_limits->>item.seconds::text)::integer, item.requests));
        allowed := greatest(0, ceil(allowed * (1 - keep))::integer - spent::integer);
        IF allowed < granted THEN granted := allowed; END IF;
        IF allowed = 0 THEN
            wait := greatest(wait, (coalesce(oldest, first_bucket) + 1) * width + item.seconds + life - moment, 0.005);
        END IF;
    END LOOP;
    IF granted > 0 THEN
        INSERT INTO budget_buckets AS b (scope, method, seconds, bucket, used)
        SELECT the_scope, the_method, (w->>1)::integer,
            floor(moment / ((w->>1)::integer / 60.0))::bigint, granted
        FROM jsonb_array_elements(windows) AS w
        ON CONFLICT (scope, method, seconds, bucket) DO UPDATE SET used = b.used + EXCLUDED.used;
    END IF;
END $$;

-- Put back calls that were granted in this very transaction and will not be made.
CREATE FUNCTION return_budget(the_scope text, the_method text, windows jsonb, unused integer)
RETURNS void LANGUAGE sql AS $$
    UPDATE budget_buckets AS b SET used = b.used - unused
    FROM (SELECT (w->>1)::integer AS seconds FROM jsonb_array_elements(windows) AS w) AS item
    WHERE b.scope = the_scope AND b.method = the_method AND b.seconds = item.seconds
        AND b.used >= unused AND b.bucket = (
            SELECT max(latest.bucket) FROM budget_buckets AS latest
            WHERE latest.scope = the_scope AND latest.method = the_method
                AND latest.seconds = item.seconds)
$$;

-- Claim what may be sent now, no more than the free slots and the budgets allow, and put each
-- attempt on disk before its request leaves. `asked` is [{integration_id, budget_key, free,
-- budgets: [{scope, method, windows}], life}]; a lease that is not the worker's, or is closed for
-- now, claims nothing. A row with a NULL write_id tells how long an exhausted budget makes an
-- integration wait. Writes that are being reconciled come too, with their state, and make no attempt.
CREATE FUNCTION claim_writes(worker uuid, asked jsonb, send_within double precision)
RETURNS TABLE (
    write_id uuid, integration_id uuid, budget_key text, epoch bigint, wait double precision,
    account_id uuid, state text, attempts integer, failures integer, resident_id uuid, plan jsonb,
    first_sent_at timestamptz, send_before timestamptz, expires_at timestamptz, retry_of uuid,
    unsettled boolean, attempt_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    ask record;
    the_epoch bigint;
    ids uuid[];
    sends uuid[];
    looks uuid[];
    item record;
    allowance record;
    allowed integer;
    grants integer[];
    longest double precision;
    moment timestamptz;
BEGIN
    -- The request must be able to leave before the lease could run out.
    IF NOT EXISTS (SELECT FROM workers WHERE id = worker
            AND expires_at > clock_timestamp() + make_interval(secs => send_within)) THEN
        RETURN;
    END IF;
    FOR ask IN SELECT * FROM jsonb_to_recordset(asked) AS a(
            integration_id uuid, budget_key text, free integer, budgets jsonb, life double precision)
    LOOP
        -- Shared lock: a take-over waits for this claim, and settles it if it comes after.
        SELECT l.epoch INTO the_epoch FROM leases AS l
        JOIN integrations AS i ON i.id = l.integration_id AND i.active AND NOT i.is_archived
        WHERE l.integration_id = ask.integration_id AND l.worker_id = worker
            AND (l.not_before IS NULL OR l.not_before <= clock_timestamp())
        FOR SHARE OF l;
        CONTINUE WHEN NOT FOUND;

        SELECT array_agg(id) FILTER (WHERE picked.state <> 'reconciling'),
            array_agg(id) FILTER (WHERE picked.state = 'reconciling')
        INTO sends, looks
        FROM (
            SELECT w.id, w.state FROM writes AS w
            WHERE w.integration_id = ask.integration_id AND w.budget_key = ask.budget_key
                AND w.ready_at <= clock_timestamp()
                AND (w.expires_at > clock_timestamp() OR w.state = 'reconciling' OR w.unsettled)
            ORDER BY w.ready_at LIMIT ask.free FOR UPDATE SKIP LOCKED) AS picked;

        allowed := coalesce(cardinality(sends), 0);
        longest := 0;
        grants := '{}';
        FOR item IN SELECT * FROM jsonb_to_recordset(ask.budgets) AS b(scope text, method text, windows jsonb)
        LOOP
            EXIT WHEN allowed = 0;
            SELECT * INTO allowance FROM take_budget(item.scope, item.method, item.windows, allowed, 0, ask.life);
            longest := greatest(longest, allowance.wait);
            allowed := allowance.granted;
            grants := grants || allowed;
        END LOOP;
        IF allowed < coalesce(cardinality(sends), 0) THEN
            -- A budget asked earlier may have granted more than the last one did.
            PERFORM return_budget(b.scope, b.method, b.windows, grants[b.place] - allowed)
            FROM ROWS FROM (jsonb_to_recordset(ask.budgets) AS (scope text, method text, windows jsonb))
                WITH ORDINALITY AS b(scope, method, windows, place)
            WHERE grants[b.place] > allowed;
            RETURN QUERY SELECT NULL::uuid, ask.integration_id, ask.budget_key, the_epoch,
                greatest(longest, 0.02), NULL::uuid, NULL, NULL::integer, NULL::integer, NULL::uuid,
                NULL::jsonb, NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL::uuid,
                NULL::boolean, NULL::uuid;
            sends := sends[1:allowed];
        END IF;

        moment := clock_timestamp();
        ids := coalesce(sends, '{}') || coalesce(looks, '{}');
        RETURN QUERY
        WITH claimed AS (
            UPDATE writes AS w SET
                state = CASE WHEN w.state = 'reconciling' THEN w.state ELSE 'sending' END,
                ready_at = NULL,
                started_at = coalesce(w.started_at, moment),
                attempts = w.attempts + CASE WHEN w.state = 'reconciling' THEN 0 ELSE 1 END,
                first_sent_at = CASE WHEN w.state = 'reconciling' THEN w.first_sent_at
                    ELSE coalesce(w.first_sent_at, moment) END,
                send_before = CASE WHEN w.state = 'reconciling' THEN w.send_before
                    ELSE moment + make_interval(secs => send_within) END
            WHERE w.id = ANY (ids)
            RETURNING w.*),
        logged AS (
            INSERT INTO attempts (job_id, account_id, integration_id, job_type, kind, number,
                worker_id, epoch, created_at, send_before)
            SELECT c.id, c.account_id, c.integration_id, c.operation || '_resident_event', 'send',
                c.attempts, worker, the_epoch, moment, c.send_before
            FROM claimed AS c WHERE c.state = 'sending'
            RETURNING id, job_id)
        SELECT c.id, c.integration_id, c.budget_key, the_epoch, 0::double precision, c.account_id,
            c.state, c.attempts, c.failures, c.resident_id, c.plan, c.first_sent_at, c.send_before,
            c.expires_at, c.retry_of, c.unsettled, logged.id
        FROM claimed AS c LEFT JOIN logged ON logged.job_id = c.id;
    END LOOP;
END $$;

-- Take over what no living worker holds, and settle what a dead one left: each attempt without an
-- end is unknown, and its write goes to reconcile, not to the wire. Integrations that share a budget
-- scope go to one worker, so that the scope's concurrency is counted in one place.
CREATE FUNCTION acquire_leases(me uuid) RETURNS TABLE (integration_id uuid, epoch bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    share integer;
    taken uuid[];
BEGIN
    -- Two workers that take over at once would split a scope between them.
    PERFORM pg_advisory_xact_lock(7021);
    IF NOT EXISTS (SELECT FROM workers WHERE id = me AND expires_at > clock_timestamp()) THEN
        RETURN;
    END IF;
    INSERT INTO leases (integration_id)
    SELECT i.id FROM integrations AS i
    WHERE NOT i.is_archived AND NOT EXISTS (SELECT FROM leases AS l WHERE l.integration_id = i.id)
    ON CONFLICT DO NOTHING;
    SELECT ceil(count(DISTINCT i.budget_scope)::numeric / greatest(1, (
        SELECT count(*) FROM workers WHERE expires_at > clock_timestamp()))) INTO share
    FROM integrations AS i WHERE NOT i.is_archived;

    WITH scopes AS (
        SELECT i.budget_scope AS scope,
            bool_or(l.worker_id = me) AS mine,
            bool_or(l.worker_id IS NULL OR w.id IS NULL) AS some_free,
            bool_or(l.worker_id <> me AND w.id IS NOT NULL) AS held_elsewhere
        FROM leases AS l
        JOIN integrations AS i ON i.id = l.integration_id AND NOT i.is_archived
        LEFT JOIN workers AS w ON w.id = l.worker_id AND w.expires_at > clock_timestamp()
        GROUP BY i.budget_scope),
    chosen AS (
        SELECT scope FROM scopes WHERE some_free AND NOT held_elsewhere
        ORDER BY mine DESC, scope
        LIMIT greatest(0, share - (SELECT count(*) FROM scopes WHERE mine AND NOT some_free)))
    SELECT array_agg(l.integration_id) INTO taken
    FROM leases AS l
    JOIN integrations AS i ON i.id = l.integration_id AND NOT i.is_archived
    JOIN chosen ON chosen.scope = i.budget_scope
    LEFT JOIN workers AS w ON w.id = l.worker_id AND w.expires_at > clock_timestamp()
    WHERE l.worker_id IS NULL OR w.id IS NULL;
    IF taken IS NULL THEN
        RETURN;
    END IF;

    UPDATE leases AS l SET worker_id = me, epoch = l.epoch + 1 WHERE l.integration_id = ANY (taken);
    PERFORM abandon_attempts(taken, 'the worker that sent it ended before it recorded an outcome');
    UPDATE read_jobs AS j SET state = 'queued', not_before = clock_timestamp()
    WHERE j.integration_id = ANY (taken) AND j.state = 'running';
    RETURN QUERY SELECT l.integration_id, l.epoch FROM leases AS l WHERE l.integration_id = ANY (taken);
END $$;

-- Whatever is in a worker's hands in these integrations is unknown from now on.
CREATE FUNCTION abandon_attempts(integrations uuid[], reason text) RETURNS void
LANGUAGE sql AS $$
    UPDATE attempts AS a SET outcome = 'unknown', code = 'no_outcome', message = reason,
        finished_at = clock_timestamp()
    FROM writes AS w
    WHERE w.integration_id = ANY (integrations) AND w.finished_at IS NULL AND w.state = 'sending'
        AND a.job_id = w.id AND a.kind = 'send' AND a.number = w.attempts AND a.finished_at IS NULL;
    UPDATE writes AS w SET state = 'reconciling', ready_at = clock_timestamp(), unsettled = true
    WHERE w.integration_id = ANY (integrations) AND w.finished_at IS NULL
        AND (w.state = 'sending' OR (w.state = 'reconciling' AND w.ready_at IS NULL));
$$;

-- Record how a batch of attempts ended, and move their writes. A row moves its write only if its
-- attempt is the write's latest, the write is in the state that the attempt left it in, and the
-- worker still holds the lease; otherwise what it says is kept on the attempt, as evidence.
-- Returns the ids of the writes that moved.
CREATE FUNCTION finish_attempts(worker uuid, batch jsonb) RETURNS SETOF uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moved uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock(k) FROM (
        SELECT DISTINCT lane_lock(w.integration_id, w.resident_id) AS k
        FROM jsonb_to_recordset(batch) AS r(write_id uuid, ends boolean)
        JOIN writes AS w ON w.id = r.write_id WHERE r.ends ORDER BY 1) AS locks;

    WITH rows AS (
        SELECT * FROM jsonb_to_recordset(batch) AS r(
            write_id uuid, number integer, epoch bigint, from_state text, state text, ends boolean,
            delay double precision, failed boolean, x_id text, resolution text, error jsonb,
            outcome text, send_within double precision, settled boolean)),
    allowed AS (
        SELECT r.* FROM rows AS r
        JOIN writes AS w ON w.id = r.write_id
        JOIN leases AS l ON l.integration_id = w.integration_id
            AND l.worker_id = worker AND l.epoch = r.epoch
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
        WHERE w.id = r.write_id AND w.attempts = r.number AND w.state = r.from_state
            AND w.ready_at IS NULL
        RETURNING w.id)
    SELECT array_agg(id) INTO moved FROM changed;

    UPDATE attempts AS a SET
        outcome = r.outcome, code = r.code, message = r.message,
        upstream_status = r.upstream_status, x_id = r.x_id, sent_at = r.sent_at,
        finished_at = coalesce(a.finished_at, clock_timestamp()),
        request = r.request, answer = r.answer,
        late = NOT coalesce(a.job_id = ANY (moved), false) AND a.outcome IS DISTINCT FROM r.outcome
    FROM jsonb_to_recordset(batch) AS r(
        write_id uuid, number integer, from_state text, outcome text, code text, message text,
        upstream_status integer, x_id text, sent_at timestamptz, request jsonb, answer jsonb)
    WHERE r.from_state = 'sending' AND a.job_id = r.write_id AND a.kind = 'send' AND a.number = r.number
        AND NOT a.late;

    -- The event is in the cache from the moment its write succeeds. A background read may have
    -- brought the same record a moment ago: then it becomes ours.
    WITH written AS (
        SELECT w.* FROM writes AS w
        WHERE w.id = ANY (moved) AND w.state = 'succeeded' AND w.operation = 'create'),
    stored AS (
        INSERT INTO events AS e (
            id, account_id, integration_id, vendor, x_id, x_property_id, property_id, data, links,
            resident_id, origin_job_id, author)
        SELECT w.event_id, w.account_id, w.integration_id, w.vendor, w.x_id,
            w.event->>'x_property_id', (w.event->>'property_id')::uuid, w.event->'data',
            coalesce(w.event->'links', '{}'), w.resident_id, w.id, r.author
        FROM written AS w
        JOIN jsonb_to_recordset(batch) AS r(write_id uuid, author text) ON r.write_id = w.id
        ON CONFLICT (integration_id, x_id) DO UPDATE
            SET origin_job_id = EXCLUDED.origin_job_id, data = e.data || EXCLUDED.data,
                author = coalesce(EXCLUDED.author, e.author), updated_at = clock_timestamp()
        RETURNING e.id, e.origin_job_id)
    UPDATE writes AS w SET event_id = stored.id FROM stored
    WHERE w.id = stored.origin_job_id AND w.event_id <> stored.id;

    UPDATE events AS e SET data = e.data || w.event->'data', updated_at = clock_timestamp()
    FROM writes AS w
    WHERE w.id = ANY (moved) AND w.state = 'succeeded' AND w.operation = 'update' AND e.id = w.event_id;

    PERFORM open_lanes(array_agg(w.integration_id), array_agg(w.resident_id))
    FROM writes AS w WHERE w.id = ANY (moved) AND w.finished_at IS NOT NULL;

    RETURN QUERY SELECT unnest(moved);
END $$;

-- A record found at the PMS belongs to this write, which had succeeded without learning its id. The
-- cache may hold the record already, read as a stranger: that row goes, ours stays, because its id
-- was shown as created_record_id. Returns whether the write was still without an id.
CREATE FUNCTION tie_record(the_write uuid, the_x_id text, seen jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    mine record;
BEGIN
    UPDATE writes SET x_id = the_x_id, resolution = 'matched'
    WHERE id = the_write AND state = 'succeeded' AND resolution = 'pending'
    RETURNING integration_id, event_id INTO mine;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM events
    WHERE integration_id = mine.integration_id AND x_id = the_x_id AND id <> mine.event_id;
    UPDATE events SET x_id = the_x_id, last_seen = clock_timestamp(), updated_at = clock_timestamp(),
        data = data || seen
    WHERE id = mine.event_id;
    RETURN true;
END $$;

-- Their statements are the same every time, and what they look up is a handful of rows by index:
-- planned anew at each call, the plans cost more than their execution.
ALTER FUNCTION accept_writes(jsonb) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION claim_writes(uuid, jsonb, double precision) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION finish_attempts(uuid, jsonb) SET plan_cache_mode = force_generic_plan;
