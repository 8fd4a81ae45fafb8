-- Which event type a kind (note, call_in …) stands for: the owner's choice, else one of that class.

CREATE TABLE event_type_choices (
    integration_id uuid NOT NULL REFERENCES integrations,
    kind text NOT NULL CHECK (kind IN ('note', 'call_in', 'call_out', 'email_in', 'email_out', 'text',
        'chat', 'visit', 'appointment', 'task')),
    event_type_id uuid NOT NULL REFERENCES event_types ON DELETE CASCADE,
    chosen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (integration_id, kind)
);
CREATE INDEX event_type_choices_of_type ON event_type_choices (event_type_id);

-- A kind is looked up with every event that names one; of hundreds of types, few are of its class.
CREATE INDEX event_types_of_class ON event_types (integration_id, class);

-- The type that a kind stands for; NULL: the integration has none. Everything that asks this asks
-- here, so that no two answers can differ. Without a choice: of the types of that class that apply
-- to residents, the one that is called like the kind ("Note", "Notes"), else the one with the lowest
-- PMS id (shorter ids first, so that 9 comes before 10).
CREATE FUNCTION event_type_of_kind(integration uuid, wanted text) RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(
        (SELECT c.event_type_id FROM event_type_choices AS c
            WHERE c.integration_id = integration AND c.kind = wanted),
        (SELECT t.id FROM event_types AS t
            WHERE t.integration_id = integration AND t.class = wanted
                AND (t.models = '{}' OR 'residents' = ANY (t.models))
            ORDER BY
                btrim(regexp_replace(lower(coalesce(t.data->>'name', '')), '[^a-z]+', ' ', 'g'))
                    IN (replace(wanted, '_', ' '), replace(wanted, '_', ' ') || 's') DESC,
                length(t.x_id), t.x_id COLLATE "C", t.id
            LIMIT 1))
$$;
