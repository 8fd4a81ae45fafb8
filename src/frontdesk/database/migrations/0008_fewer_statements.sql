-- The same promises of claiming and finishing (0005), kept by fewer statements: a claim is one look at
-- all that is asked for and one change of all that it takes, and so is a finish. Before, each
-- integration of a claim cost eight statements, and their start-up was most of the queue's time.

CREATE OR REPLACE FUNCTION take_budget(
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
    outdated boolean;
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
        SELECT coalesce(sum(used) FILTER (WHERE bucket >= first_bucket), 0),
            min(bucket) FILTER (WHERE bucket >= first_bucket), coalesce(min(bucket) < first_bucket, false)
        INTO spent, oldest, outdated FROM budget_buckets
        WHERE scope = the_scope AND method = the_method AND seconds = item.seconds;
        IF outdated THEN
            DELETE FROM budget_buckets WHERE scope = the_scope AND method = the_method
                AND seconds = item.seconds AND bucket < first_bucket;
        END IF;
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

CREATE OR REPLACE FUNCTION claim_writes(worker uuid, asked jsonb, send_within double precision)
RETURNS TABLE (
    write_id uuid, integration_id uuid, budget_key text, epoch bigint, wait double precision,
    account_id uuid, state text, attempts integer, failures integer, resident_id uuid, plan jsonb,
    first_sent_at timestamptz, send_before timestamptz, expires_at timestamptz, retry_of uuid,
    unsettled boolean, attempt_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    ask record;
    item record;
    allowance record;
    allowed integer;
    grants integer[];
    longest double precision;
    moment timestamptz;
    ids uuid[] := '{}';
    epochs bigint[] := '{}';
BEGIN
    -- The request must be able to leave before the lease could run out.
    IF NOT EXISTS (SELECT FROM workers WHERE id = worker
            AND expires_at > clock_timestamp() + make_interval(secs => send_within)) THEN
        RETURN;
    END IF;
    FOR ask IN
        -- Shared lock: a take-over waits for this claim, and settles it if it comes after.
        WITH held AS MATERIALIZED (
            SELECT a.integration_id, a.budget_key, a.free, a.budgets, a.life, l.epoch
            FROM jsonb_to_recordset(asked) AS a(
                integration_id uuid, budget_key text, free integer, budgets jsonb, life double precision)
            JOIN leases AS l ON l.integration_id = a.integration_id
            JOIN integrations AS i ON i.id = a.integration_id
            WHERE l.worker_id = worker AND i.active AND NOT i.is_archived
                AND (l.not_before IS NULL OR l.not_before <= clock_timestamp())
            FOR SHARE OF l)
        SELECT held.integration_id, held.budget_key, held.budgets, held.life, held.epoch, found.sends,
            found.looks
        FROM held, LATERAL (
            SELECT array_agg(picked.id) FILTER (WHERE picked.state <> 'reconciling') AS sends,
                array_agg(picked.id) FILTER (WHERE picked.state = 'reconciling') AS looks
            FROM (
                SELECT w.id, w.state FROM writes AS w
                WHERE w.integration_id = held.integration_id AND w.budget_key = held.budget_key
                    AND w.ready_at <= clock_timestamp()
                    AND (w.expires_at > clock_timestamp() OR w.state = 'reconciling' OR w.unsettled)
                ORDER BY w.ready_at LIMIT held.free FOR UPDATE SKIP LOCKED) AS picked) AS found
        WHERE found.sends IS NOT NULL OR found.looks IS NOT NULL
        -- Two claims at once lock the scopes that they share in one order.
        ORDER BY held.budgets->-1->>'scope', held.integration_id, held.budget_key
    LOOP
        allowed := coalesce(cardinality(ask.sends), 0);
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
        IF allowed < coalesce(cardinality(ask.sends), 0) THEN
            -- A budget asked earlier may have granted more than the last one did.
            PERFORM return_budget(b.scope, b.method, b.windows, grants[b.place] - allowed)
            FROM ROWS FROM (jsonb_to_recordset(ask.budgets) AS (scope text, method text, windows jsonb))
                WITH ORDINALITY AS b(scope, method, windows, place)
            WHERE grants[b.place] > allowed;
            RETURN QUERY SELECT NULL::uuid, ask.integration_id, ask.budget_key, ask.epoch,
                greatest(longest, 0.02), NULL::uuid, NULL, NULL::integer, NULL::integer, NULL::uuid,
                NULL::jsonb, NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL::uuid,
                NULL::boolean, NULL::uuid;
        END IF;
        ids := ids || ask.sends[1:allowed] || ask.looks;
        epochs := epochs || array_fill(ask.epoch, ARRAY[allowed + coalesce(cardinality(ask.looks), 0)]);
    END LOOP;
    IF ids = '{}' THEN
        RETURN;
    END IF;

    moment := clock_timestamp();
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
        FROM unnest(ids, epochs) AS taken(id, epoch)
        WHERE w.id = taken.id
        RETURNING w.*, taken.epoch),
    logged AS (
        INSERT INTO attempts (job_id, account_id, integration_id, job_type, kind, number,
            worker_id, epoch, created_at, send_before)
        SELECT c.id, c.account_id, c.integration_id, c.operation || '_resident_event', 'send',
            c.attempts, worker, c.epoch, moment, c.send_before
        FROM claimed AS c WHERE c.state = 'sending'
        RETURNING id, job_id)
    SELECT c.id, c.integration_id, c.budget_key, c.epoch, 0::double precision, c.account_id,
        c.state, c.attempts, c.failures, c.resident_id, c.plan, c.first_sent_at, c.send_before,
        c.expires_at, c.retry_of, c.unsettled, logged.id
    FROM claimed AS c LEFT JOIN logged ON logged.job_id = c.id;
END $$;

CREATE OR REPLACE FUNCTION finish_attempts(worker uuid, batch jsonb) RETURNS SETOF uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moved uuid[];
    ended_integrations uuid[];
    ended_residents uuid[];
    updates boolean;
    renamed_writes uuid[];
    renamed_events uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock(k) FROM (
        SELECT DISTINCT lane_lock(w.integration_id, w.resident_id) AS k
        FROM jsonb_to_recordset(batch) AS r(write_id uuid, ends boolean)
        JOIN writes AS w ON w.id = r.write_id WHERE r.ends ORDER BY 1) AS locks;

    WITH rows AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(batch) AS r(
            write_id uuid, number integer, epoch bigint, from_state text, state text, ends boolean,
            delay double precision, failed boolean, x_id text, resolution text, error jsonb,
            outcome text, send_within double precision, settled boolean, code text, message text,
            upstream_status integer, sent_at timestamptz, request jsonb, answer jsonb, author text)),
    allowed AS (
        SELECT r.* FROM rows AS r
        JOIN writes AS w ON w.id = r.write_id
        -- Not by equality: many leases have one epoch, and a lease is found by its integration.
        JOIN leases AS l ON l.integration_id = w.integration_id
            AND l.worker_id = worker AND l.epoch IS NOT DISTINCT FROM r.epoch
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
        RETURNING w.*, r.author),
    told AS (
        UPDATE attempts AS a SET
            outcome = r.outcome, code = r.code, message = r.message,
            upstream_status = r.upstream_status, x_id = r.x_id, sent_at = r.sent_at,
            finished_at = coalesce(a.finished_at, clock_timestamp()),
            request = r.request, answer = r.answer,
            late = r.is_late AND a.outcome IS DISTINCT FROM r.outcome
        FROM (SELECT rows.*, NOT EXISTS (SELECT FROM changed WHERE changed.id = rows.write_id) AS is_late
            FROM rows WHERE rows.from_state = 'sending') AS r
        WHERE a.job_id = r.write_id AND a.kind = 'send' AND a.number = r.number AND NOT a.late),
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
        RETURNING e.id, e.origin_job_id)
    SELECT array_agg(w.id),
        array_agg(w.integration_id) FILTER (WHERE w.finished_at IS NOT NULL),
        array_agg(w.resident_id) FILTER (WHERE w.finished_at IS NOT NULL),
        bool_or(w.state = 'succeeded' AND w.operation = 'update'),
        array_agg(w.id) FILTER (WHERE stored.id <> w.event_id),
        array_agg(stored.id) FILTER (WHERE stored.id <> w.event_id)
    INTO moved, ended_integrations, ended_residents, updates, renamed_writes, renamed_events
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
    IF ended_integrations IS NOT NULL THEN
        PERFORM open_lanes(ended_integrations, ended_residents);
    END IF;
    RETURN QUERY SELECT unnest(moved);
END $$;

-- CREATE OR REPLACE forgets these (0005).
ALTER FUNCTION claim_writes(uuid, jsonb, double precision) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION finish_attempts(uuid, jsonb) SET plan_cache_mode = force_generic_plan;
