-- One customer's account at a PMS, and which of its properties take part.

CREATE TABLE integrations (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    vendor text NOT NULL,
    name text NOT NULL,
    active boolean NOT NULL DEFAULT false,
    is_archived boolean NOT NULL DEFAULT false,
    base_url text NOT NULL,
    credentials bytea NOT NULL,             -- encrypted; see encryption_keys
    credentials_version integer NOT NULL DEFAULT 1,  -- counts changes: workers re-read on a new one
    budget_scope text NOT NULL,             -- keyed hash of vendor and the credentials that it counts by
    max_request_frequency integer CHECK (max_request_frequency > 0),
    max_request_cadence text CHECK (max_request_cadence IN ('SECOND', 'MINUTE', 'HOUR', 'DAY')),
    max_job_concurrency integer NOT NULL CHECK (max_job_concurrency BETWEEN 1 AND 100),
    sync_frequency integer NOT NULL DEFAULT 12 CHECK (sync_frequency > 0),
    sync_cadence text NOT NULL DEFAULT 'HOUR' CHECK (sync_cadence IN ('SECOND', 'MINUTE', 'HOUR', 'DAY')),
    new_properties_are_enabled boolean NOT NULL DEFAULT true,
    on_uncertain text NOT NULL DEFAULT 'hold' CHECK (on_uncertain IN ('hold', 'resend')),
    mark_notes boolean NOT NULL DEFAULT false,
    write_expiry_hours integer NOT NULL DEFAULT 72 CHECK (write_expiry_hours > 0),
    allow_email_send boolean NOT NULL DEFAULT true,
    timezone text,
    can_authenticate boolean,               -- NULL: not tried yet
    last_completed_sync timestamptz,
    next_sync_at timestamptz NOT NULL DEFAULT now(),
    last_data_access_check timestamptz,
    data_access jsonb NOT NULL DEFAULT '{}',
    ping_results jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX integrations_of_account ON integrations (account_id, created_at DESC, id);

-- An integration's properties, switched on or off; `id` is the configuration's own id.
CREATE TABLE integration_properties (
    id uuid PRIMARY KEY,
    integration_id uuid NOT NULL REFERENCES integrations,
    property_id uuid NOT NULL,
    enabled boolean NOT NULL,
    timezone text,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (integration_id, property_id)
);
