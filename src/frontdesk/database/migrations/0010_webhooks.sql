-- Telling callers what happened: who wants to know, what there is to tell, and every delivery.
--
-- What there is to tell is put down by the tables' own triggers, in the transaction that changes the
-- row: a notice is lost only if the change is. Whoever changes a row need not know that somebody
-- listens, and where nobody does, a statement pays one probe of an index.

CREATE TABLE webhooks (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    url text NOT NULL,
    triggers text[] NOT NULL,
    model text,                             -- DATA_* of this model alone; NULL: of all
    header_names text[] NOT NULL DEFAULT '{}',
    headers bytea NOT NULL,                 -- names and values, sealed: receivers' keys are among them
    active boolean NOT NULL DEFAULT false,
    secret bytea NOT NULL,                  -- sealed
    previous_secret bytea,                  -- sealed; signs as well until the overlap is over
    previous_secret_until timestamptz,
    next_sequence bigint NOT NULL DEFAULT 1,
    last_success_at timestamptz,            -- to within a minute
    failing_since timestamptz,              -- the first failure since the last success
    disabled_at timestamptz,                -- switched off by us, and why
    disabled_reason text,
    deleted_at timestamptz,                 -- nobody sees it; its deliveries go first
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX webhooks_of_account ON webhooks (account_id, created_at, id);
-- What the triggers below ask first: an index with nothing in it answers at once.
CREATE INDEX webhooks_listening ON webhooks (account_id) WHERE active;
CREATE INDEX webhooks_for_new_records ON webhooks (account_id)
    WHERE active AND 'DATA_NEW' = ANY (triggers);
CREATE INDEX webhooks_for_changed_records ON webhooks (account_id)
    WHERE active AND 'DATA_UPDATE' = ANY (triggers);
CREATE INDEX webhooks_deleted ON webhooks (deleted_at) WHERE deleted_at IS NOT NULL;

-- Where the end of a write is told beside the account's webhooks, and with which secret it is signed.
CREATE TABLE callbacks (
    job_id uuid PRIMARY KEY,
    url text NOT NULL
);
CREATE TABLE callback_secrets (
    account_id uuid PRIMARY KEY REFERENCES accounts,
    secret bytea NOT NULL,
    previous_secret bytea,
    previous_secret_until timestamptz,
    next_sequence bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    rotated_at timestamptz
);

-- The outbox. A row lives until it has become deliveries; `told`, `before` and `after` are what the
-- body will be made of.
CREATE TABLE webhook_notices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL,
    integration_id uuid NOT NULL,
    trigger text NOT NULL,
    subject_id uuid NOT NULL,               -- the write, read job or record that it is about
    resident_id uuid,                       -- whose personal data it may hold
    model text,
    callback_url text,
    told jsonb NOT NULL,
    before jsonb,
    after jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX webhook_notices_of_resident ON webhook_notices (resident_id) WHERE resident_id IS NOT NULL;

CREATE TABLE webhook_deliveries (
    id uuid PRIMARY KEY,                    -- what a receiver knows it by, in every attempt
    account_id uuid NOT NULL,
    webhook_id uuid,                        -- NULL: a callback
    url text,                               -- of a callback; a webhook's stands in its own row
    destination uuid NOT NULL,              -- whom it shares its turns with: the webhook, or a host
    trigger text NOT NULL,
    sequence bigint NOT NULL,
    body text NOT NULL,                     -- as it is signed and sent, the same in every attempt
    subject_id uuid NOT NULL,
    resident_id uuid,
    test boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending', 'delivered', 'dead')),
    -- When it may be sent; of one that is being sent, when it counts as lost and is sent again.
    ready_at timestamptz DEFAULT clock_timestamp(),
    claims integer NOT NULL DEFAULT 0,      -- fences what a sender that lost it says late
    attempts integer NOT NULL DEFAULT 0,
    give_up_at timestamptz NOT NULL,
    last_attempt_at timestamptz,
    last_status integer,
    last_error text,
    finished_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (destination, ready_at)
    WHERE ready_at IS NOT NULL;
CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (webhook_id, created_at, id);
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX webhook_deliveries_of_resident ON webhook_deliveries (resident_id)
    WHERE resident_id IS NOT NULL;

-- Whether this transaction tells nobody: an erasure must not send what it erases.
CREATE FUNCTION webhooks_are_silent() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT coalesce(current_setting('frontdesk.silent', true), '') = 'on' $$;

-- Forget what was, or would have been, told of these residents.
CREATE FUNCTION erase_deliveries(residents uuid[]) RETURNS void
LANGUAGE sql AS $$
    DELETE FROM webhook_notices WHERE resident_id = ANY (residents);
    DELETE FROM webhook_deliveries WHERE resident_id = ANY (residents);
$$;

CREATE FUNCTION keep_callback() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO callbacks (job_id, url) VALUES (NEW.id, NEW.input->>'callback_url')
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE TRIGGER keep_callback AFTER INSERT ON writes
    FOR EACH ROW WHEN (NEW.input ? 'callback_url') EXECUTE FUNCTION keep_callback();

-- A write that has ended, or that ended before and has now ended otherwise (an uncertain one that
-- was found).
CREATE FUNCTION tell_of_writes() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM webhooks WHERE active)
        -- The newest, by the index: behind the oldest may lie pages of what was purged.
        AND (SELECT job_id FROM callbacks ORDER BY job_id DESC LIMIT 1) IS NULL
    THEN
        RETURN NULL;
    END IF;
    INSERT INTO webhook_notices (
        account_id, integration_id, trigger, subject_id, resident_id, callback_url, told)
    SELECT w.account_id, w.integration_id, w.trigger, w.id, w.resident_id, c.url,
        jsonb_build_object('state', w.state, 'errors', w.errors, 'created_record_id', w.event_id,
            'external_reference', w.external_reference)
    FROM (
        SELECT now_is.*, CASE now_is.state WHEN 'succeeded' THEN 'WRITE_OPERATION_SUCCESS'
            ELSE 'WRITE_OPERATION_FAILURE' END AS trigger
        FROM after AS now_is JOIN before AS was ON was.id = now_is.id
        WHERE now_is.finished_at IS NOT NULL
            AND (was.finished_at IS NULL OR was.state <> now_is.state)) AS w
    LEFT JOIN callbacks AS c ON c.job_id = w.id
    WHERE NOT webhooks_are_silent() AND (c.job_id IS NOT NULL OR EXISTS (
        SELECT FROM webhooks AS h
        WHERE h.account_id = w.account_id AND h.active AND w.trigger = ANY (h.triggers)))
    ORDER BY w.lane_number;
    RETURN NULL;
END $$;

CREATE TRIGGER tell_webhooks AFTER UPDATE ON writes
    REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION tell_of_writes();

-- A sync that has ended, the first of an integration's that brought something, and a read that has
-- failed. An integration's first sync has ended when `last_completed_sync` is set, in this very
-- transaction but after this.
CREATE FUNCTION tell_of_read_jobs() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    steps record;
    is_first boolean := false;
    counts jsonb;
BEGIN
    IF NOT EXISTS (SELECT FROM webhooks AS h WHERE h.account_id = NEW.account_id AND h.active) THEN
        RETURN NULL;
    END IF;
    IF NEW.job_type <> 'sync' THEN
        IF NEW.state = 'failed' THEN
            PERFORM put_down_notice(NEW, 'JOB_FAILURE', jsonb_build_object(
                'job_id', NEW.id, 'job_type', NEW.job_type, 'root_job_id', NEW.root_job_id));
        END IF;
        RETURN NULL;
    END IF;
    SELECT count(*) FILTER (WHERE j.state = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE j.state = 'failed') AS failed INTO steps
    FROM read_jobs AS j WHERE j.root_job_id = NEW.id AND j.id <> NEW.id;
    SELECT i.last_completed_sync IS NULL AND steps.succeeded > 0
        AND NOT coalesce((NEW.parameters->>'partial')::boolean, false) INTO is_first
    FROM integrations AS i WHERE i.id = NEW.integration_id;
    counts := jsonb_build_object('successful_job_count', steps.succeeded,
        'failed_job_count', steps.failed, 'is_sync_finished', true);
    PERFORM put_down_notice(NEW, 'SYNC_COMPLETE', counts);
    IF is_first THEN
        PERFORM put_down_notice(NEW, 'FIRST_SYNC_COMPLETE', counts);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION put_down_notice(job read_jobs, the_trigger text, told jsonb) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO webhook_notices (account_id, integration_id, trigger, subject_id, told)
    SELECT job.account_id, job.integration_id, the_trigger, job.id, told
    WHERE EXISTS (
        SELECT FROM webhooks AS h
        WHERE h.account_id = job.account_id AND h.active AND the_trigger = ANY (h.triggers))
$$;

CREATE TRIGGER tell_webhooks AFTER UPDATE ON read_jobs
    FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
    EXECUTE FUNCTION tell_of_read_jobs();

-- Records of the catalog. Which job brought them is known to the transaction: the run of a read job
-- says so (`frontdesk.read_job`), an event that was written through us names its write.
CREATE FUNCTION tell_of_new_records() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM webhooks WHERE active AND 'DATA_NEW' = ANY (triggers)) THEN
        RETURN NULL;
    END IF;
    INSERT INTO webhook_notices (
        account_id, integration_id, trigger, subject_id, resident_id, model, told, after)
    SELECT n.account_id, n.integration_id, 'DATA_NEW', n.id,
        CASE TG_TABLE_NAME WHEN 'residents' THEN n.id
            WHEN 'events' THEN (to_jsonb(n)->>'resident_id')::uuid END,
        TG_TABLE_NAME,
        jsonb_build_object('job_id', coalesce(
            nullif(current_setting('frontdesk.read_job', true), ''), to_jsonb(n)->>'origin_job_id')),
        to_jsonb(n) - 'extra' - 'links'
    FROM after AS n
    JOIN integrations AS i ON i.id = n.integration_id AND i.last_completed_sync IS NOT NULL
    WHERE NOT webhooks_are_silent() AND EXISTS (
        SELECT FROM webhooks AS h
        WHERE h.account_id = n.account_id AND h.active AND 'DATA_NEW' = ANY (h.triggers)
            AND (h.model IS NULL OR h.model = TG_TABLE_NAME));
    RETURN NULL;
END $$;

-- `updated_at` moves only when something has changed that a caller can see.
CREATE FUNCTION tell_of_changed_records() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM webhooks WHERE active AND 'DATA_UPDATE' = ANY (triggers)) THEN
        RETURN NULL;
    END IF;
    INSERT INTO webhook_notices (
        account_id, integration_id, trigger, subject_id, resident_id, model, told, before, after)
    SELECT n.account_id, n.integration_id, 'DATA_UPDATE', n.id,
        CASE TG_TABLE_NAME WHEN 'residents' THEN n.id
            WHEN 'events' THEN (to_jsonb(n)->>'resident_id')::uuid END,
        TG_TABLE_NAME,
        jsonb_build_object('job_id', coalesce(
            nullif(current_setting('frontdesk.read_job', true), ''), to_jsonb(n)->>'origin_job_id')),
        to_jsonb(o) - 'extra' - 'links', to_jsonb(n) - 'extra' - 'links'
    FROM after AS n
    JOIN before AS o ON o.id = n.id AND o.updated_at <> n.updated_at
    JOIN integrations AS i ON i.id = n.integration_id AND i.last_completed_sync IS NOT NULL
    WHERE NOT webhooks_are_silent() AND EXISTS (
        SELECT FROM webhooks AS h
        WHERE h.account_id = n.account_id AND h.active AND 'DATA_UPDATE' = ANY (h.triggers)
            AND (h.model IS NULL OR h.model = TG_TABLE_NAME));
    RETURN NULL;
END $$;

DO $$
DECLARE
    model text;
BEGIN
    FOREACH model IN ARRAY ARRAY['properties', 'units', 'employees', 'event_types',
        'event_sub_types', 'event_results', 'residents', 'timezones', 'events']
    LOOP
        EXECUTE format('CREATE TRIGGER tell_of_new AFTER INSERT ON %I REFERENCING NEW TABLE AS after '
            'FOR EACH STATEMENT EXECUTE FUNCTION tell_of_new_records()', model);
        EXECUTE format('CREATE TRIGGER tell_of_changed AFTER UPDATE ON %I REFERENCING '
            'OLD TABLE AS before NEW TABLE AS after '
            'FOR EACH STATEMENT EXECUTE FUNCTION tell_of_changed_records()', model);
    END LOOP;
END $$;
