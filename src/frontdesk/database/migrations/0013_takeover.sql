-- A share is fair among the workers that live. One that died, or sleeps, a moment ago still counts as
-- living until its lease runs out, and what an earlier one left would wait for that: two deaths in a
-- row made a take-over last two leases. What nobody has taken within 2 s after a lease ran out is
-- therefore anybody's, whatever his share; the next look gives back what is too much.

CREATE OR REPLACE FUNCTION acquire_leases(me uuid) RETURNS TABLE (integration_id uuid, epoch bigint)
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
            bool_or(l.worker_id <> me AND w.id IS NOT NULL) AS held_elsewhere,
            bool_or(l.worker_id IS NOT NULL AND w.id IS NULL AND coalesce(
                gone.expires_at < clock_timestamp() - interval '2 seconds', true)) AS overdue
        FROM leases AS l
        JOIN integrations AS i ON i.id = l.integration_id AND NOT i.is_archived
        LEFT JOIN workers AS w ON w.id = l.worker_id AND w.expires_at > clock_timestamp()
        LEFT JOIN workers AS gone ON gone.id = l.worker_id
        GROUP BY i.budget_scope),
    fair AS (
        SELECT scope FROM scopes WHERE some_free AND NOT held_elsewhere
        ORDER BY mine DESC, scope
        LIMIT greatest(0, share - (SELECT count(*) FROM scopes WHERE mine AND NOT some_free))),
    chosen AS (
        SELECT scope FROM fair
        UNION SELECT scope FROM scopes WHERE overdue AND NOT held_elsewhere)
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
