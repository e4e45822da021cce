"""A request waits for its subject's outcome: no transaction, no connection, and not longer than its client."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from outbox.fault_points import FaultPoints
from strangler.continuation import table
from strangler.continuation.failures import failed_at
from strangler.continuation.wakeups import Wakeups
from strangler.seam.rest import Rest
from strangler.seam.walk import Ended

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 0.5  # who was woken may have met the lock of somebody who changed nothing, and is not woken again


class Waiting:
    """One for a process and all its threads."""

    def __init__(self, rest: Rest, wakeups: Wakeups, fault_points: FaultPoints) -> None:
        self._rest, self._wakeups, self._fault_points = rest, wakeups, fault_points

    def finish(self, session: Session, model: type[Any], subject_ref: str, wait_s: float) -> Ended | None:
        """How the chain has ended, or None: it waits on when the wait is over, and a runner goes on with it.

        `session` holds no connection in between.
        """
        self._fault_points.reach("continuation.pending_committed")
        deadline = time.monotonic() + wait_s
        try:
            ended = self._until(session, model, subject_ref, deadline)
        except Exception as error:  # noqa: BLE001 - the subject is stored: a runner tries again what failed, 202 is true
            logger.warning("rest_failed", extra={"error": type(error).__name__, "at": failed_at(error)})
            session.rollback()
            ended = None
        if ended is None:
            self._give_up(session, subject_ref)
        return ended

    def _give_up(self, session: Session, subject_ref: str) -> None:
        try:
            table.give_up(session, subject_ref)
            session.commit()
        except Exception as error:  # noqa: BLE001 - 202 is true all the same: the time for the request ends by itself
            logger.warning("give_up_failed", extra={"error": type(error).__name__, "at": failed_at(error)})
            session.rollback()

    def _until(self, session: Session, model: type[Any], subject_ref: str, deadline: float) -> Ended | None:
        """Wake-ups are hints: each time, and now and then, the continuation itself says whether it is ready."""
        while True:
            woken = self._wakeups.wait(subject_ref, min(LOOK_AGAIN_S, deadline - time.monotonic()))
            if woken:
                self._fault_points.reach("continuation.woken")
            left_s = max(0.0, deadline - time.monotonic())
            ready = woken or self._ready(session, subject_ref)
            ended = self._rest.run(session, model, subject_ref, wait_s=left_s) if ready else None
            if ended is not None and not ended.waits:
                return ended
            if left_s == 0.0:
                return None

    def _ready(self, session: Session, subject_ref: str) -> bool:
        """Looked up before the subject is loaded and locked."""
        ready = table.is_ready(session, subject_ref)
        session.rollback()
        return ready
