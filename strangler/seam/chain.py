"""The chain of an application: its steps of the middle, the request that waits for them, whoever goes on with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from outbox.fault_points import FaultPoints
from strangler.continuation import table
from strangler.continuation.wakeups import Wakeups
from strangler.ownership import Owner
from strangler.seam.await_outcome import Waiting
from strangler.seam.middle import Middle
from strangler.seam.rest import Rest
from strangler.seam.suspended import Suspended
from strangler.seam.walk import Ended

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from outbox.speaking import DriverConnection


@dataclass
class Chain:
    """`listen` opens the connection that wake-ups are heard on. Safe across threads and forks."""

    application: Suspended
    listen: Callable[[], DriverConnection]
    fault_points: FaultPoints
    middle: Middle = field(default_factory=Middle)

    def run(self, session: Session, subject: Any, functions: Sequence[object], *, wait_s: float) -> Ended:
        """COMMITS. As far as the chain comes within `wait_s`; `BadInput` for one that could not be gone on with."""
        names = self.middle.names(functions)
        self.application.check_runs(session, subject, names)
        model = type(subject)
        subject_ref = self.application.reference_of(subject)
        ended = self._rest.begin(session, subject, names, wait_s=wait_s)
        if not ended.waits:
            return ended
        return self._waiting.finish(session, model, subject_ref, wait_s) or ended

    def go_on(self, session: Session, model: type[Any], subject_ref: str) -> Ended | None:
        """COMMITS. What is left of a subject that nobody waits for; None where there is nothing to take."""
        self.middle.check()
        return self._rest.run(session, model, subject_ref, wait_s=0.0)

    def take_back(self, session: Session, subject: Any, step: str) -> bool:
        """A hand-back of a step, under the subject's lock, once its owner is legacy. True: the chain has still to run
        it, and does when it goes on; False: it does not wait, or has gone on behind the step.

        It must not wait for this step, nor for a later one, which acts on this one's outcome: it waits for the new
        side's step before, if there is one. What is ready is left alone: who runs it next asks for the owner.
        """
        subject_ref = self.application.reference_of(subject)
        waits_for, rest = table.still_to_run(session, subject_ref)
        if step not in rest:
            return False
        if waits_for in rest[rest.index(step) :]:
            owners = self.application.ownership_of(subject)
            before = [name for name in rest[: rest.index(step)] if owners.of(name) is Owner.NEW]
            earlier = before[-1] if before else table.START
            table.wait_instead(session, subject_ref, waits_for=waits_for, step=earlier, ready=not before)
        return True

    def close(self) -> None:
        """End the thread that hears wake-ups, within about a second; a later wait begins another."""
        self.__dict__.pop("_waiting", None)
        wakeups: Wakeups | None = self.__dict__.pop("_wakeups", None)
        if wakeups is not None:
            wakeups.close()

    @cached_property
    def _rest(self) -> Rest:
        return Rest(self.application, self.middle, self.fault_points)

    @cached_property
    def _wakeups(self) -> Wakeups:
        return Wakeups(self.listen)

    @cached_property
    def _waiting(self) -> Waiting:
        return Waiting(self._rest, self._wakeups, self.fault_points)
