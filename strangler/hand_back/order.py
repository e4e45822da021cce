"""One subject's way back, in four committed parts; after a crash between any two, running it again goes on.

(a) Legacy must have the subject. Its request may still be under way, pinned to the new side and not committed: taking
    it now would ask legacy to run a step for a subject that it does not have. It stays with the new side meanwhile,
    which acts when its event comes, so it is never left to nobody.
(b) The tombstone on the new side decides, by its unique key, against a handler that acts at the same moment. From
    then on an event in flight, a replay or a zombie finds it: `not_owner`.
(c) Owner and audit. Until here the owner still says new, so a run that was interrupted finds the subject again.
(d) Legacy runs the step for every version that it has not run, under the subject's lock, with which it stores the
    owners: a request that was sent with the old ones comes wholly before, or finds the new ones. It answers the same
    when asked twice. What it can no longer run, because it has lost what the step needs, is too old: a person must act.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

import psycopg
import requests

from outbox.connection import PsycopgConnection
from outbox.fault_points import FaultPoints
from strangler.errors import BadInput
from strangler.hand_back import tables
from strangler.hand_back.tables import HandBackAudit, Order
from strangler.plan import Plan
from strangler.settings import Settings
from strangler.step.claim import TombstoneResult, tombstone

logger = logging.getLogger(__name__)

TOO_OLD = 410  # by which legacy says so
HTTP_TIMEOUT_S = (2.0, 30.0)  # connect, read: legacy calls a vendor within (d)


class HandBackOutcome(StrEnum):
    """What became of a subject in one attempt."""

    HANDED_BACK = "handed_back"
    STARTED = "started"
    NOT_COMMITTED = "not_committed"
    TOO_OLD = "too_old"
    FAILED = "failed"
    ELSEWHERE = "elsewhere"  # another run, at the same time, was first


@dataclass(frozen=True, slots=True)
class Legacy:
    """The monolith, asked over HTTP."""

    session: requests.Session
    url: str
    token: str
    plan: Plan

    @classmethod
    def at(cls, environ: Mapping[str, str], plan: Plan, session: requests.Session) -> Legacy:
        missing = [name for name in ("LEGACY_URL", "STRANGLER_INTERNAL_TOKEN") if not environ.get(name)]
        if missing:
            raise BadInput(f"{' and '.join(missing)} must be set for a hand-back; `--stack` knows a running stack's")
        session.trust_env = False  # neither a proxy nor a .netrc comes between
        session.verify = environ.get("LEGACY_CA_FILE") or True
        token = Settings.from_environ(environ).internal_token or ""
        return cls(session, environ["LEGACY_URL"].rstrip("/"), token, plan)

    def has(self, subject_ref: str) -> bool:
        """`RequestException` when it does not say."""
        subject = self.plan.subject
        path = subject.path.format(ref=quote(subject_ref, safe=""))
        headers = self._token() if subject.internal_look_up else {}
        with self.session.get(
            self.url + path, headers=headers, timeout=HTTP_TIMEOUT_S, allow_redirects=False
        ) as answer:
            if answer.status_code not in (200, 404):
                raise requests.HTTPError(f"{answer.status_code} instead of 200 or 404")
            return answer.status_code == 200

    def run(self, step: str, subject_ref: str) -> bool:
        """False: too old, nothing is left to run it from. `RequestException` unless it says that the step has run."""
        path = self.plan.subject.hand_back_path.format(step=step, ref=quote(subject_ref, safe=""))
        with self.session.post(
            self.url + path, headers=self._token(), timeout=HTTP_TIMEOUT_S, allow_redirects=False
        ) as answer:
            if answer.status_code not in (200, TOO_OLD):
                raise requests.HTTPError(f"{answer.status_code} instead of 200")
            return answer.status_code == 200

    def _token(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class HandBackWorker:
    """One thread's connections, both in autocommit."""

    main: PsycopgConnection
    context: PsycopgConnection
    legacy: Legacy
    audit: HandBackAudit
    fault_points: FaultPoints

    def hand_back(self, order: Order) -> HandBackOutcome:
        """All four parts; those that an earlier run has done change nothing."""
        try:
            return self._hand_back(order)
        except (requests.RequestException, psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            return self._failed(error)

    def _hand_back(self, order: Order) -> HandBackOutcome:
        ref, step = order.subject_ref, self.audit.step
        if not self.legacy.has(ref) or tables.has_parts(
            self.main, ref
        ):  # asked for a request, it may show its first part
            return HandBackOutcome.NOT_COMMITTED
        with self.context.transaction():
            placed = tombstone(self.context, subject_ref=ref, step=step, epoch=order.epoch)
        if placed is TombstoneResult.STARTED:
            return HandBackOutcome.STARTED
        self.fault_points.reach("hand_back.tombstoned")
        with self.main.transaction():
            tables.give_to_legacy(self.main, ref, self.audit)
        self.fault_points.reach("hand_back.recorded")
        ended = HandBackOutcome.HANDED_BACK if self.legacy.run(step, ref) else HandBackOutcome.TOO_OLD
        self.fault_points.reach("hand_back.run")
        state = "done" if ended is HandBackOutcome.HANDED_BACK else "too_old"
        return ended if tables.finish(self.main, ref, step, state) else HandBackOutcome.ELSEWHERE

    def _failed(self, error: Exception) -> HandBackOutcome:
        said = str(error)[:200] if isinstance(error, requests.HTTPError) else type(error).__name__
        logger.warning("hand_back_attempt_failed", extra={"step": self.audit.step, "error": said})
        return HandBackOutcome.FAILED
