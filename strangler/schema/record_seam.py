"""The function by which a seam writes, strangler.record_seam, and the one behind it."""

# Never at the cost of the caller's transaction: whatever goes wrong is rolled back to the block's own savepoint, told
# as an SQLSTATE. A statement's timeout is not among OTHERS. With the owner's rights: EXECUTE is all the monolith needs.
# The answer is one text, the call's number or `refused` and the SQLSTATE, NULL where there is no call: two columns
# would be a row of a table of its own, as dear again as all else that the function adds to its INSERT.
#
# Nearly always a call is the first of its change, and its record joins the subject's transaction: that is one INSERT.
# A `search_path` of the function's own and a look for the row before it would cost a tenth of it each, so every name
# here says its schema, operators too.
RECORD_SEAM = """
CREATE FUNCTION strangler.record_seam(
    a_subject text, a_step text, a_version bigint, a_call integer, a_state text, an_owner text, an_epoch bigint,
    a_process bigint, some_inputs text, an_outcome text, some_intents text)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s' AS $$
BEGIN
    IF a_state OPERATOR(pg_catalog.=) 'done' AND a_process IS NULL THEN
        INSERT INTO strangler.seam_record
            (subject_ref, step, version, call, state, owner, epoch, inputs, outcome, intents, ended_at)
        VALUES (a_subject, a_step, a_version, coalesce(a_call, 1), a_state, an_owner, an_epoch,
                some_inputs::pg_catalog.jsonb, an_outcome::pg_catalog.jsonb,
                coalesce(some_intents::pg_catalog.jsonb, '[]'), pg_catalog.clock_timestamp());
        RETURN coalesce(a_call, 1);
    END IF;
    RETURN strangler.record_seam_any(a_subject, a_step, a_version, a_call, a_state, an_owner, an_epoch, a_process,
                                     some_inputs, an_outcome, some_intents);
EXCEPTION WHEN unique_violation THEN
    RETURN strangler.record_seam_any(a_subject, a_step, a_version, a_call, a_state, an_owner, an_epoch, a_process,
                                     some_inputs, an_outcome, some_intents);
WHEN query_canceled OR OTHERS THEN
    RETURN 'refused ' OPERATOR(pg_catalog.||) SQLSTATE;
END $$"""

# Any state, whatever there is of the call already.
#
# `a_call` NULL: the call after those that there are. A call that ended in failure, or whose process is gone, is made
# again under its number, and so under the vendor's key, when it is asked for the same. `none`, and a failure before
# any call, have no inputs: they are said where nothing else is, and yield to a call.
RECORD_SEAM_ANY = """
CREATE FUNCTION strangler.record_seam_any(
    a_subject text, a_step text, a_version bigint, a_call integer, a_state text, an_owner text, an_epoch bigint,
    a_process bigint, some_inputs text, an_outcome text, some_intents text)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    recorded_call integer;
    ended timestamptz := CASE WHEN a_state <> 'begun' THEN clock_timestamp() END;
BEGIN
    IF a_state = 'none' OR a_state = 'failed' AND (a_call, some_inputs) IS NULL THEN
        INSERT INTO strangler.seam_record (subject_ref, step, version, state, owner, epoch, outcome, process, ended_at)
        SELECT a_subject, a_step, a_version, a_state, an_owner, an_epoch, an_outcome::jsonb, a_process, ended
        WHERE NOT EXISTS (SELECT FROM strangler.seam_record
                          WHERE subject_ref = a_subject AND step = a_step AND version = a_version)
        ON CONFLICT DO NOTHING;
        RETURN NULL;
    END IF;
    -- What joins the subject's transaction is seen by nobody until it is done.
    IF a_call IS NULL AND a_state = 'begun' THEN
        UPDATE strangler.seam_record AS again SET state = a_state, ended_at = ended, outcome = an_outcome::jsonb,
               intents = coalesce(some_intents::jsonb, intents), process = a_process, recorded_at = now()
        WHERE (subject_ref, step, version, call) = (
            SELECT subject_ref, step, version, call FROM strangler.seam_record AS earlier
            WHERE subject_ref = a_subject AND step = a_step AND version = a_version
              AND inputs = some_inputs::jsonb
              AND (state = 'failed' OR state = 'begun' AND process <> a_process AND NOT EXISTS (
                   SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 21332 AND objsubid = 2
                   AND objid = earlier.process::oid
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())))
            ORDER BY call LIMIT 1 FOR UPDATE)
        RETURNING call INTO recorded_call;
    END IF;
    IF recorded_call IS NULL THEN
        INSERT INTO strangler.seam_record
            (subject_ref, step, version, call, state, owner, epoch, inputs, outcome, intents, process, ended_at)
        VALUES (a_subject, a_step, a_version, coalesce(a_call, 1), a_state, an_owner, an_epoch, some_inputs::jsonb,
                an_outcome::jsonb, coalesce(some_intents::jsonb, '[]'), a_process, ended)
        ON CONFLICT (subject_ref, step, version, call) DO NOTHING
        RETURNING call INTO recorded_call;
    END IF;
    IF recorded_call IS NULL AND a_call IS NOT NULL THEN  -- the end of one that was begun, or one that is made again
        UPDATE strangler.seam_record SET state = a_state, ended_at = ended, outcome = an_outcome::jsonb,
               intents = coalesce(some_intents::jsonb, intents)
        WHERE subject_ref = a_subject AND step = a_step AND version = a_version AND call = a_call
          AND (state = 'begun' OR state = 'failed' AND inputs = some_inputs::jsonb)
        RETURNING call INTO recorded_call;
    END IF;
    WHILE recorded_call IS NULL LOOP
        INSERT INTO strangler.seam_record AS found
            (subject_ref, step, version, call, state, owner, epoch, inputs, outcome, intents, process, ended_at)
        SELECT a_subject, a_step, a_version, coalesce(a_call, max(call) FILTER (WHERE inputs IS NOT NULL) + 1, 1),
               a_state, an_owner, an_epoch, some_inputs::jsonb, an_outcome::jsonb,
               coalesce(some_intents::jsonb, '[]'), a_process, ended
        FROM strangler.seam_record WHERE subject_ref = a_subject AND step = a_step AND version = a_version
        ON CONFLICT (subject_ref, step, version, call) DO UPDATE
        SET state = excluded.state, owner = excluded.owner, epoch = excluded.epoch, inputs = excluded.inputs,
            outcome = excluded.outcome, intents = excluded.intents, process = excluded.process,
            recorded_at = excluded.recorded_at, ended_at = excluded.ended_at
        WHERE found.inputs IS NULL
        RETURNING call INTO recorded_call;
        a_call := NULL;  -- somebody has that number: take the next one
    END LOOP;
    RETURN recorded_call;
EXCEPTION WHEN query_canceled OR OTHERS THEN
    RETURN 'refused ' || SQLSTATE;
END $$"""
