-- Grants of one scope may live for different times (a PMS whose connections take long gets longer ones),
-- and whoever asks next, in whichever process, must reckon with the longest that may still be under way.

ALTER TABLE budgets ADD COLUMN longest_life double precision NOT NULL DEFAULT 0,
    ADD COLUMN longest_life_until timestamptz NOT NULL DEFAULT '-infinity';

CREATE OR REPLACE FUNCTION take_budget(
    the_scope text, the_method text, windows jsonb, want integer, keep double precision,
    life double precision, OUT granted integer, OUT wait double precision)
LANGUAGE plpgsql AS $$
DECLARE
    -- Lives differ only where a window is shorter than 10 s: a grant is not counted for longer than this.
    counted CONSTANT interval := interval '12 seconds';
    kept CONSTANT interval := interval '60 seconds';
    row_limits jsonb;
    blocked timestamptz;
    row_life double precision;
    row_until timestamptz;
    reach double precision;
    moment double precision;
    item record;
    width double precision;
    first_bucket bigint;
    spent bigint;
    oldest bigint;
    outdated boolean;
    allowed integer;
BEGIN
    SELECT limits, blocked_until, longest_life, longest_life_until
    INTO row_limits, blocked, row_life, row_until FROM budgets
    WHERE scope = the_scope AND method = the_method FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO budgets (scope, method) VALUES (the_scope, the_method) ON CONFLICT DO NOTHING;
        SELECT limits, blocked_until, longest_life, longest_life_until
        INTO row_limits, blocked, row_life, row_until FROM budgets
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
    IF row_until <= clock_timestamp() THEN
        row_life := 0;
    END IF;
    reach := greatest(life, row_life);
    FOR item IN SELECT (w->>0)::integer AS requests, (w->>1)::integer AS seconds
        FROM jsonb_array_elements(windows) AS w
    LOOP
        width := item.seconds / 60.0;
        first_bucket := floor((moment - item.seconds - reach) / width);
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
            wait := greatest(wait, (coalesce(oldest, first_bucket) + 1) * width + item.seconds + reach - moment, 0.005);
        END IF;
    END LOOP;
    IF granted > 0 AND windows <> '[]'::jsonb THEN
        INSERT INTO budget_buckets AS b (scope, method, seconds, bucket, used)
        SELECT the_scope, the_method, (w->>1)::integer,
            floor(moment / ((w->>1)::integer / 60.0))::bigint, granted
        FROM jsonb_array_elements(windows) AS w
        ON CONFLICT (scope, method, seconds, bucket) DO UPDATE SET used = b.used + EXCLUDED.used;
        IF life > row_life OR life = row_life AND row_until < clock_timestamp() + counted THEN
            UPDATE budgets SET longest_life = life, longest_life_until = clock_timestamp() + kept
            WHERE scope = the_scope AND method = the_method;
        END IF;
    END IF;
END $$;
