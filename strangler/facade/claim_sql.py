"""The statements of claims, whole; `claims` runs them."""

from __future__ import annotations

from typing import LiteralString

# An equal request that came a moment earlier may stand under the key of another window; whoever derives a key looks
# there after it has this lock, so of two at once the second sees the first.
NEAR_LOCK: LiteralString = """
SELECT pg_advisory_xact_lock(hashtextextended(%(tenant)s::text || encode(%(fingerprint)s, 'hex'), 0))"""

# Under the shared stage lock, taken by the statement before: its snapshot is younger than the lock, so the epoch that
# it sees cannot be moved before the commit. Nothing is written for another epoch than the one that `owners` is of.
PIN: LiteralString = """
WITH current AS (
    SELECT epoch FROM strangler.epoch WHERE epoch = %(epoch)s
), claim AS (
    INSERT INTO strangler.idempotency (tenant, key, fingerprint, subject_ref, state, lease_until, expires_at)
    SELECT %(tenant)s, %(key)s, %(fingerprint)s, %(subject_ref)s, 'started',
           now() + make_interval(secs => %(lease_s)s), now() + make_interval(secs => %(retention_s)s)
    FROM current WHERE NOT EXISTS (
        SELECT FROM strangler.idempotency
        WHERE tenant = ANY (%(other_scopes)s::text[]) AND key = %(key)s AND expires_at > now())
      AND NOT EXISTS (
        SELECT FROM strangler.idempotency
        WHERE tenant = %(tenant)s AND key = ANY (%(near)s::text[])
          AND created_at > now() - make_interval(secs => %(within_s)s))
    ON CONFLICT (tenant, key) DO NOTHING RETURNING subject_ref
), owner AS (
    INSERT INTO strangler.ownership (subject_ref, epoch, owners) SELECT subject_ref, %(epoch)s, %(owners)s FROM claim
    ON CONFLICT (subject_ref) DO NOTHING RETURNING subject_ref
)
SELECT (SELECT count(*) FROM current), (SELECT count(*) FROM claim), (SELECT count(*) FROM owner),
       (SELECT owners FROM strangler.ownership WHERE subject_ref = %(subject_ref)s)"""

# A command of a subject that the application knows by its own id. An unknown id gets the reference that was guessed, a
# known one keeps its own: then nothing is written, and the caller asks again with that. Where another request has
# pinned the id meanwhile, no reference comes back, and the caller looks which one.
PIN_NATIVE: LiteralString = """
WITH current AS (
    SELECT epoch FROM strangler.epoch WHERE epoch = %(epoch)s
), known AS (
    SELECT subject_ref FROM strangler.subject_alias WHERE kind = %(kind)s AND native_id = %(native_id)s
), claim AS (
    INSERT INTO strangler.idempotency (tenant, key, fingerprint, subject_ref, state, lease_until, expires_at)
    SELECT %(tenant)s, %(key)s, %(fingerprint)s, %(subject_ref)s, 'started',
           now() + make_interval(secs => %(lease_s)s), now() + make_interval(secs => %(retention_s)s)
    FROM current WHERE NOT EXISTS (SELECT FROM known WHERE subject_ref <> %(subject_ref)s)
      AND NOT EXISTS (
        SELECT FROM strangler.idempotency
        WHERE tenant = ANY (%(other_scopes)s::text[]) AND key = %(key)s AND expires_at > now())
      AND NOT EXISTS (
        SELECT FROM strangler.idempotency
        WHERE tenant = %(tenant)s AND key = ANY (%(near)s::text[])
          AND created_at > now() - make_interval(secs => %(within_s)s))
    ON CONFLICT (tenant, key) DO NOTHING RETURNING subject_ref
), alias AS (
    INSERT INTO strangler.subject_alias (kind, native_id, subject_ref)
    SELECT %(kind)s, %(native_id)s, subject_ref FROM claim WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (kind, native_id) DO NOTHING RETURNING subject_ref
), owner AS (
    INSERT INTO strangler.ownership (subject_ref, epoch, owners) SELECT subject_ref, %(epoch)s, %(owners)s FROM claim
    ON CONFLICT (subject_ref) DO NOTHING RETURNING subject_ref
)
SELECT (SELECT count(*) FROM current), (SELECT count(*) FROM claim), (SELECT count(*) FROM owner),
       (SELECT owners FROM strangler.ownership WHERE subject_ref = %(subject_ref)s),
       coalesce((SELECT subject_ref FROM known), (SELECT subject_ref FROM alias))"""

ALIAS: LiteralString = """
SELECT subject_ref FROM strangler.subject_alias WHERE kind = %(kind)s AND native_id = %(native_id)s"""

# A command of a subject that exists: its ownership is read, never written.
CLAIM: LiteralString = """
WITH claim AS (
    INSERT INTO strangler.idempotency (tenant, key, fingerprint, subject_ref, state, lease_until, expires_at)
    SELECT %(tenant)s, %(key)s, %(fingerprint)s, %(subject_ref)s, 'started',
           now() + make_interval(secs => %(lease_s)s), now() + make_interval(secs => %(retention_s)s)
    WHERE NOT EXISTS (
        SELECT FROM strangler.idempotency
        WHERE tenant = ANY (%(other_scopes)s::text[]) AND key = %(key)s AND expires_at > now())
      AND NOT EXISTS (
        SELECT FROM strangler.idempotency
        WHERE tenant = %(tenant)s AND key = ANY (%(near)s::text[])
          AND created_at > now() - make_interval(secs => %(within_s)s))
    ON CONFLICT (tenant, key) DO NOTHING RETURNING subject_ref
)
SELECT (SELECT count(*) FROM claim),
       (SELECT owners FROM strangler.ownership WHERE subject_ref = %(subject_ref)s)"""

OWNERS: LiteralString = "SELECT owners FROM strangler.ownership WHERE subject_ref = %(subject_ref)s"

FIND: LiteralString = """
SELECT key, fingerprint, subject_ref, lease_until <= now(), state = 'done', status, headers, body,
       tenant = %(tenant)s
FROM strangler.idempotency
WHERE (tenant = ANY (%(other_scopes)s::text[] || %(tenant)s::text) AND key = %(key)s
       AND (tenant = %(tenant)s OR expires_at > now()))
   OR (tenant = %(tenant)s AND key = ANY (%(near)s::text[])
       AND created_at > now() - make_interval(secs => %(within_s)s))
ORDER BY tenant = %(tenant)s DESC, key = %(key)s DESC LIMIT 1"""

# Whoever comes first, the original request or one that resolved it, has the first answer. It need not wait for the
# disk as the claim must: when the server crashes within the next moments, a repeat finds the subject instead.
FINISH: LiteralString = """
WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
UPDATE strangler.idempotency
SET state = 'done', status = %(status)s, headers = %(headers)s::jsonb, body = %(body)s
FROM quick WHERE tenant = %(tenant)s AND key = %(key)s AND state = 'started'"""

# A request that nobody can repeat has ended: its answer is kept for nobody.
FORGET: LiteralString = """
WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
DELETE FROM strangler.idempotency USING quick WHERE tenant = %(tenant)s AND key = %(key)s"""

END_LEASE: LiteralString = """
UPDATE strangler.idempotency SET lease_until = now()
WHERE tenant = %(tenant)s AND key = %(key)s AND state = 'started'"""

# Only for a request of which nothing was sent. An ownership that was there before the claim stays: so may its subject.
RELEASE: LiteralString = """
WITH claim AS (
    DELETE FROM strangler.idempotency
    WHERE tenant = %(tenant)s AND key = %(key)s AND state = 'started' RETURNING subject_ref
)
DELETE FROM strangler.ownership USING claim
WHERE ownership.subject_ref = claim.subject_ref AND %(pinned_now)s"""
