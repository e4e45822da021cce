"""The chain from its first step of the middle on: as far as it can be run, then waited for, then its rest, once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from outbox.fault_points import FaultPoints
from strangler.continuation import table
from strangler.seam.middle import Middle
from strangler.seam.suspended import Suspended
from strangler.seam.walk import Ended, Refusing, Walk

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class Rest:
    """COMMITS. What a failure leaves behind is as before: ready, for the next one who tries. Safe across threads."""

    def __init__(self, application: Suspended, middle: Middle, fault_points: FaultPoints) -> None:
        self._application, self._middle, self._fault_points = application, middle, fault_points

    def begin(self, session: Session, subject: Any, names: Sequence[str], *, wait_s: float) -> Ended:
        """The first run, in the transaction that stores the subject. A legacy step that refuses raises as ever."""
        refusal = None
        try:
            ended = Walk(self._application, self._middle, session, subject, wait_s=wait_s).on(names)
        except Refusing as refusing:
            refusal = refusing.cause
        if refusal is not None:
            raise refusal  # as it was raised: with its own cause
        session.commit()
        return ended

    def run(self, session: Session, model: type[Any], subject_ref: str, *, wait_s: float) -> Ended | None:
        """What is left of a subject that waited, in a transaction of its own. None: nothing to take.

        `wait_s`: how long the caller would wait on. Raises what a legacy step raised, but for a refusal.
        """
        try:
            try:
                return self._taken(session, model, subject_ref, wait_s)
            except Refusing as refusing:
                session.rollback()
                return self._refused_by_legacy(session, model, subject_ref, refusing)
        except BaseException:
            session.rollback()
            raise

    def _taken(self, session: Session, model: type[Any], subject_ref: str, wait_s: float) -> Ended | None:
        taken = self._take(session, model, subject_ref)
        if taken is None:
            session.rollback()
            return None
        subject, found = taken
        ended = Walk(self._application, self._middle, session, subject, wait_s=wait_s, found=found).on(found.rest)
        self._commit(session, ended)
        return ended

    def _take(self, session: Session, model: type[Any], subject_ref: str) -> tuple[Any, table.Continuation] | None:
        """Who finds the subject's row locked comes too late, or too early: somebody else works on it."""
        subject = self._application.locked(session, model, subject_ref)
        found = table.claim(session, subject_ref) if subject is not None else None
        if found is None:
            return None
        self._fault_points.reach("continuation.claimed")
        self._application.goes_on(session, subject, found.version)
        return subject, found

    def _refused_by_legacy(
        self, session: Session, model: type[Any], subject_ref: str, refusing: Refusing
    ) -> Ended | None:
        """What this run had done was rolled back with it; the application undoes what earlier runs had done."""
        taken = self._take(session, model, subject_ref)
        if taken is None:
            session.rollback()
            return None
        subject, found = taken
        ended = Walk(self._application, self._middle, session, subject, found=found).refused_by_legacy(refusing)
        self._commit(session, ended)
        return ended

    def _commit(self, session: Session, ended: Ended) -> None:
        session.flush()
        if not ended.waits:
            self._application.ends(ended.subject)
        self._fault_points.reach("continuation.rest_run")
        session.commit()
        self._fault_points.reach("continuation.committed")
