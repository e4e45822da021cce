"""The function by which the facade claims a request, pins its subject and finds what was stored: one round trip."""

# A volatile function in READ COMMITTED: each statement has a snapshot of its own, so whatever is read after a lock is
# younger than the lock. Called outside a transaction, locks and rows end together with it. `an_epoch`: the epoch that
# `some_owners` are of, NULL for a subject that is there already. `an_attempt`: whose lease it is.
# `a_kind` and `a_native`: its name in the application.
#
# `said`: `claimed`; `stored`, and nothing was written; `moved`: the stages have, ask again with the new ones; `named`:
# the subject has another reference than was guessed, ask again with that; `vanished`: claims came and went.
CLAIM_REQUEST = """
CREATE FUNCTION strangler.claim_request(
    a_tenant text, a_key text, a_fingerprint bytea, a_ref text, a_route text, lease_s float8, retention_s float8,
    other_scopes text[], near_keys text[], within_s float8, a_kind text, a_native text,
    stage_lock bigint, an_epoch bigint, some_owners text, an_attempt bigint)
RETURNS TABLE (
    said text, pinned boolean, its_ref text, its_owners text, its_key text, its_fingerprint bytea, lease_over boolean,
    its_state text, its_status integer, its_headers json, its_body bytea, same_scope boolean)
LANGUAGE plpgsql AS $$
BEGIN
    its_ref := a_ref;
    IF an_epoch IS NOT NULL THEN
        -- A move waits for whoever holds it, so the epoch read behind it holds until the claim has committed.
        PERFORM pg_advisory_xact_lock_shared(stage_lock);
        IF NOT EXISTS (SELECT FROM strangler.epoch WHERE epoch = an_epoch) THEN
            said := 'moved';
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    IF a_native IS NOT NULL THEN
        -- Waits for whoever names the subject at the same time.
        INSERT INTO strangler.subject_alias (kind, native_id, subject_ref) VALUES (a_kind, a_native, a_ref)
        ON CONFLICT (kind, native_id) DO NOTHING;
        IF NOT FOUND THEN
            SELECT subject_ref INTO its_ref FROM strangler.subject_alias
            WHERE kind = a_kind AND native_id = a_native;
            IF its_ref <> a_ref THEN
                said := 'named';
                RETURN NEXT;
                RETURN;
            END IF;
        END IF;
    END IF;
    IF near_keys <> '{}' THEN
        -- An equal request that came a moment earlier may stand under the key of another window: of two at once the
        -- second sees the first.
        PERFORM pg_advisory_xact_lock(hashtextextended(a_tenant || encode(a_fingerprint, 'hex'), 0));
    END IF;
    FOR attempt IN 1..4 LOOP
        IF attempt > 1 OR other_scopes <> '{}' OR near_keys <> '{}' THEN
            RETURN QUERY SELECT 'stored', false, kept.subject_ref, NULL::text, kept.key, kept.fingerprint,
                kept.lease_until <= now(), kept.state, kept.status, kept.headers, kept.body, kept.tenant = a_tenant
            FROM strangler.idempotency AS kept
            -- A key does not end while somebody works on it.
            WHERE (kept.expires_at > now() OR (kept.state = 'started' AND kept.lease_until > now())) AND (
                (kept.tenant = ANY (other_scopes || a_tenant) AND kept.key = a_key)
                OR (kept.tenant = a_tenant AND kept.key = ANY (near_keys)
                    AND kept.created_at > now() - make_interval(secs => within_s)))
            ORDER BY kept.tenant = a_tenant DESC, kept.key = a_key DESC LIMIT 1;
            IF FOUND THEN
                RETURN;
            END IF;
        END IF;
        IF attempt > 1 THEN
            DELETE FROM strangler.idempotency
            WHERE tenant = a_tenant AND key = a_key AND expires_at <= now()
              AND (state <> 'started' OR lease_until <= now());
        END IF;
        -- An update of the row in the way would lock it, and so write, for each repeat.
        INSERT INTO strangler.idempotency
            (tenant, key, fingerprint, subject_ref, route, state, lease_until, expires_at, attempt)
        VALUES (a_tenant, a_key, a_fingerprint, a_ref, a_route, 'started', now() + make_interval(secs => lease_s),
                now() + make_interval(secs => retention_s), an_attempt)
        ON CONFLICT (tenant, key) DO NOTHING;
        IF FOUND THEN
            said := 'claimed';
            pinned := false;
            IF an_epoch IS NOT NULL THEN
                INSERT INTO strangler.ownership (subject_ref, epoch, owners) VALUES (a_ref, an_epoch, some_owners)
                ON CONFLICT (subject_ref) DO NOTHING;
                pinned := FOUND;
                its_owners := some_owners;
            END IF;
            IF NOT pinned THEN
                SELECT owners INTO its_owners FROM strangler.ownership WHERE subject_ref = a_ref;
            END IF;
            RETURN NEXT;
            RETURN;
        END IF;
    END LOOP;
    said := 'vanished';
    RETURN NEXT;
END $$"""
