-- Who was erased: a keyed hash of the resident's PMS id, by which a sync passes him over, and nothing
-- else of him.
CREATE TABLE erased_residents (
    integration_id uuid NOT NULL REFERENCES integrations,
    name text NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (integration_id, name)
);
