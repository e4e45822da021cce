"""The statements of claims, whole; `claims` runs them."""

from __future__ import annotations

from strangler.facade.statement import statement
from strangler.store import READ_STAGES, SHARE_LOCK

CLAIM = statement(
    "claim",
    """
SELECT * FROM strangler.claim_request(
    %(tenant)s, %(key)s, %(fingerprint)s, %(subject_ref)s, %(route)s, %(lease_s)s, %(retention_s)s,
    %(other_scopes)s::text[], %(near)s::text[], %(within_s)s, %(kind)s, %(native_id)s,
    %(stage_lock)s, %(epoch)s, %(owners)s, %(attempt)s)""",
)

FIRST_ANSWER = statement(
    "first_answer",
    """
SELECT status, headers, body FROM strangler.idempotency
WHERE tenant = %(tenant)s AND key = %(key)s AND state = 'done'""",
)

# Of several that come for an abandoned claim, one gets it. Its key does not end before its lease.
TAKE_OVER = statement(
    "take_over",
    """
UPDATE strangler.idempotency
SET state = 'started', attempt = %(attempt)s, lease_until = now() + make_interval(secs => %(lease_s)s),
    expires_at = greatest(expires_at, now() + make_interval(secs => %(lease_s)s))
WHERE tenant = %(tenant)s AND key = %(key)s AND state IN ('started', 'released') AND lease_until <= now()
RETURNING (SELECT owners FROM strangler.ownership WHERE ownership.subject_ref = idempotency.subject_ref)""",
)

# Whoever comes first, the original request or one that resolved it, has the first answer, so it is no attempt's. It
# need not wait for the disk as the claim must: when the server crashes within the next moments, a repeat finds the
# subject instead.
FINISH = statement(
    "finish",
    """
WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
UPDATE strangler.idempotency
SET state = 'done', status = %(status)s, headers = %(headers)s::json, body = %(body)s
FROM quick WHERE tenant = %(tenant)s AND key = %(key)s AND state = 'started'""",
)

# A request that nobody can repeat has ended: its answer is kept for nobody.
FORGET = statement(
    "forget",
    """
WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
DELETE FROM strangler.idempotency USING quick WHERE tenant = %(tenant)s AND key = %(key)s""",
)

# Of the attempt that asks: another one may have taken the claim over meanwhile, and be under way.
END_LEASE = statement(
    "end_lease",
    """
UPDATE strangler.idempotency SET lease_until = now()
WHERE tenant = %(tenant)s AND key = %(key)s AND state = 'started' AND attempt = %(attempt)s""",
)

# Only for a request of which nothing was sent. An ownership that was there before the claim stays: so may its subject.
RELEASE = statement(
    "release",
    """
WITH claim AS (
    DELETE FROM strangler.idempotency
    WHERE tenant = %(tenant)s AND key = %(key)s AND state = 'started' AND attempt = %(attempt)s
    RETURNING subject_ref
), unpinned AS (
    DELETE FROM strangler.ownership USING claim
    WHERE ownership.subject_ref = claim.subject_ref AND %(pinned_now)s
)
SELECT 1 FROM claim""",
)

STAGES = statement("stages", READ_STAGES)
KEEP_STAGES = statement("keep_stages", SHARE_LOCK)
BEGIN = statement("begin", "BEGIN")
COMMIT = statement("commit", "COMMIT")
