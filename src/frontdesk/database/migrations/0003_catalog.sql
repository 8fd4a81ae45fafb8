-- What the PMSs hold, as last read: one table a model, alike but for what is filtered by.
-- `data` holds the contract's fields between head and tail, `links` PMS ids of other records,
-- `extra` what only the vendor's connector needs. A sync never deletes: `last_seen` tells.
-- `unresolved`: a record that this one refers to has not been read yet; looked at again when it comes.

CREATE TABLE properties (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    integration_id uuid NOT NULL REFERENCES integrations,
    vendor text NOT NULL,
    x_id text NOT NULL,
    x_property_id text,
    property_id uuid,
    data jsonb NOT NULL,
    links jsonb NOT NULL DEFAULT '{}',
    extra jsonb NOT NULL DEFAULT '{}',
    unresolved boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (integration_id, x_id)
);
-- Both columns of an order run the same way, so that one index serves both directions and a cursor
-- is one row comparison. `last_seen` is in no index: it moves with every sync, most rows do not.
CREATE INDEX properties_of_account ON properties (account_id, created_at, id);
CREATE INDEX properties_of_integration ON properties (integration_id, created_at, id);
CREATE INDEX properties_by_update ON properties (account_id, updated_at, id);
CREATE INDEX properties_of_property ON properties (property_id, created_at, id);
CREATE INDEX properties_unresolved ON properties (integration_id) WHERE unresolved;

CREATE TABLE units (LIKE properties INCLUDING ALL);
ALTER TABLE units ADD FOREIGN KEY (integration_id) REFERENCES integrations,
    ADD COLUMN unit_number text;
CREATE INDEX units_by_number ON units (account_id, unit_number);

CREATE TABLE employees (LIKE properties INCLUDING ALL);
ALTER TABLE employees ADD FOREIGN KEY (integration_id) REFERENCES integrations,
    ADD COLUMN roles text[] NOT NULL DEFAULT '{}',
    ADD COLUMN property_ids uuid[] NOT NULL DEFAULT '{}';   -- every property that the employee serves
CREATE INDEX employees_by_role ON employees USING gin (roles);
CREATE INDEX employees_by_property ON employees USING gin (property_ids);

CREATE TABLE event_types (LIKE properties INCLUDING ALL);
ALTER TABLE event_types ADD FOREIGN KEY (integration_id) REFERENCES integrations,
    ADD COLUMN models text[] NOT NULL DEFAULT '{}',
    ADD COLUMN class text NOT NULL DEFAULT 'other';

CREATE TABLE event_sub_types (LIKE properties INCLUDING ALL);
ALTER TABLE event_sub_types ADD FOREIGN KEY (integration_id) REFERENCES integrations,
    ADD COLUMN event_type_id uuid;
CREATE INDEX event_sub_types_by_type ON event_sub_types (event_type_id);

CREATE TABLE event_results (LIKE properties INCLUDING ALL);
ALTER TABLE event_results ADD FOREIGN KEY (integration_id) REFERENCES integrations,
    ADD COLUMN event_type_ids uuid[] NOT NULL DEFAULT '{}';
CREATE INDEX event_results_by_type ON event_results USING gin (event_type_ids);

CREATE TABLE residents (LIKE properties INCLUDING ALL);
ALTER TABLE residents ADD FOREIGN KEY (integration_id) REFERENCES integrations,
    ADD COLUMN email_1 text,
    ADD COLUMN phone_1 text,
    ADD COLUMN leases jsonb NOT NULL DEFAULT '[]',      -- as the connector needs them, in PMS ids
    ADD COLUMN unit_ids uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN events_read_at timestamptz;              -- when all of his events were last read
CREATE INDEX residents_by_email ON residents (account_id, lower(email_1));
CREATE INDEX residents_by_phone ON residents (account_id, phone_1);
CREATE INDEX residents_by_unit ON residents USING gin (unit_ids);
CREATE INDEX residents_by_events_read ON residents (integration_id, events_read_at NULLS FIRST);

CREATE TABLE timezones (LIKE properties INCLUDING ALL);
ALTER TABLE timezones ADD FOREIGN KEY (integration_id) REFERENCES integrations;

-- Events: read from the PMS, or written through us (`origin_job_id`); of the latter `x_id` is NULL
-- until the PMS's id is known.
CREATE TABLE events (LIKE properties INCLUDING ALL);
ALTER TABLE events ADD FOREIGN KEY (integration_id) REFERENCES integrations,
    ALTER COLUMN x_id DROP NOT NULL,
    ADD COLUMN resident_id uuid,
    ADD COLUMN origin_job_id uuid,
    ADD COLUMN stamped_at timestamptz,
    ADD COLUMN author text;
CREATE INDEX events_of_resident ON events (resident_id, created_at, id);
CREATE INDEX events_with_our_author ON events (integration_id)
    WHERE origin_job_id IS NOT NULL AND author IS NOT NULL;
CREATE UNIQUE INDEX events_by_origin ON events (origin_job_id) WHERE origin_job_id IS NOT NULL;

-- The fields of a cached event after the PMS was read. An event that we wrote (`own`) keeps what its
-- caller said; only what the PMS changed since it was last read (`before`) goes over it.
CREATE FUNCTION merged_event(kept jsonb, own boolean, before jsonb, found jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN NOT own THEN kept || found
        WHEN before IS NULL THEN jsonb_strip_nulls(found) || jsonb_strip_nulls(kept)
        ELSE kept || coalesce((
            SELECT jsonb_object_agg(key, value) FROM jsonb_each(found)
            WHERE before->key IS DISTINCT FROM value), '{}')
    END
$$;

-- Work that reads from a PMS: a sync and its steps, a data-access check, a refresh of residents.
-- `cursor` is where a step goes on after a crash.
CREATE TABLE read_jobs (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    integration_id uuid NOT NULL REFERENCES integrations,
    root_job_id uuid NOT NULL,
    parent_job_id uuid,
    job_type text NOT NULL,      -- sync, sync_<model>, data_access, resident_events
    model text,
    place smallint NOT NULL DEFAULT 0,      -- a sync's steps run in this order
    urgency smallint NOT NULL DEFAULT 5,    -- 0: a caller waits for it; 9: background
    claims integer NOT NULL DEFAULT 0,      -- fences what a run that lost the job says late
    parameters jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'succeeded', 'failed')),
    cursor text,
    records integer NOT NULL DEFAULT 0,
    pages integer NOT NULL DEFAULT 0,
    total integer,
    attempts integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT clock_timestamp(),
    error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz
);
CREATE INDEX read_jobs_open ON read_jobs (integration_id, not_before) WHERE finished_at IS NULL;
CREATE INDEX read_jobs_done ON read_jobs (integration_id, job_type, started_at) WHERE state = 'succeeded';
CREATE INDEX read_jobs_of_account ON read_jobs (account_id, created_at, id);
CREATE INDEX read_jobs_of_root ON read_jobs (root_job_id);
-- One sync of an integration at a time, however many processes schedule.
CREATE UNIQUE INDEX read_jobs_one_sync ON read_jobs (integration_id)
    WHERE job_type = 'sync' AND finished_at IS NULL;
CREATE UNIQUE INDEX read_jobs_one_background ON read_jobs (integration_id)
    WHERE job_type = 'sync_events' AND finished_at IS NULL;
