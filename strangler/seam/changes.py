"""Whether a change of a subject has been committed: heard from the session, never declared."""

from __future__ import annotations

import json
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import event

from outbox.fault_points import FaultPoints
from strangler.ownership import Ownership
from strangler.seam.mapped import Identity
from strangler.seam.observation import Observation
from strangler.seam.record import SeamCall, SeamState, record

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.orm import Session, SessionTransaction


TAKEN_BACK = '{"error":"the savepoint in which it was called was rolled back"}'


@dataclass(slots=True, eq=False)
class Joined:
    """A call whose record stands in a transaction of the session; `inside` None: it was taken back with its savepoint,
    while the change stays.
    """

    call: SeamCall
    inputs: str
    failed: bool
    inside: SessionTransaction | None

    def is_due_again(self, step: str, inputs: str) -> bool:
        """Whether it came to nothing, and the same is asked for."""
        unsuccessful = self.call.step == step and (self.failed or self.inside is None)
        return unsuccessful and json.loads(self.inputs) == json.loads(inputs)


@dataclass(slots=True, eq=False)
class SubjectChange:
    """One change of a subject in a unit of work. `calls`: by step, how many have begun. `inside`: the transaction of
    the session in which it stands, None once that has ended. `payload`: its event's, None where it goes on.
    `deferred`: another unit made it, and left to this one the steps that a worker calls. `joined`: the calls in its
    transaction.
    """

    identity: Identity
    ref: str
    version: int
    type: str
    ownership: Ownership
    engine: Engine
    inside: SessionTransaction | None
    payload: bytes | None = None
    committed: bool = False
    deferred: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    joined: list[Joined] = field(default_factory=list)
    on_commit: Callable[[SubjectChange], None] | None = None

    @property
    def is_open(self) -> bool:
        """Its transaction can still take something in. Not while it commits: then nothing joins any more."""
        return self.inside is not None and self.inside.is_active

    def next_number(self, step: str, inputs: str) -> int:
        """Of a call in its transaction: that of one that came to nothing, where the same is asked for again."""
        for one in self.joined:
            if one.call.number is not None and one.is_due_again(step, inputs):
                self.joined.remove(one)
                return one.call.number
        self.calls[step] += 1
        return self.calls[step]

    def join(self, call: SeamCall, state: SeamState, seen: Observation) -> None:
        """A call may have ended the transaction that it began in; then nothing is left to join."""
        if self.inside is None:
            return
        session = self.inside.session
        if seen.inputs is not None:
            inside = session.get_nested_transaction() or session.get_transaction()
            self.joined.append(Joined(call, seen.inputs, state is SeamState.FAILED, inside))
        record(session, call, state, seen)

    def say_what_was_taken_back(self, session: Session) -> None:
        """A savepoint takes back the record, and not what the call has done in the world outside."""
        for one in self.joined:
            if one.inside is None:
                record(session, one.call, SeamState.FAILED, Observation(one.inputs, TAKEN_BACK, None))
        self.joined.clear()


class Changes:
    """The changes of one session that nobody has committed yet."""

    def __init__(self, session: Session, fault_points: FaultPoints) -> None:
        self._fault_points = fault_points
        self._open: list[SubjectChange] = []
        self._released: SessionTransaction | None = None
        event.listen(session, "before_commit", self._before_commit)
        event.listen(session, "after_commit", self._after_commit)
        event.listen(session, "after_transaction_end", self._after_end)

    def add(self, change: SubjectChange) -> None:
        self._open.append(change)

    def _before_commit(self, session: Session) -> None:
        if session.get_nested_transaction() is None:
            for change in self._open:
                change.say_what_was_taken_back(session)

    def _after_commit(self, session: Session) -> None:
        self._released = session.get_nested_transaction()
        if self._released is not None:  # a savepoint's
            return
        committed, self._open = self._open, []
        if committed:
            self._fault_points.reach("seam.committed")
        for change in committed:
            change.inside, change.committed = None, True
            change.payload = None  # carried within its transaction only
            if change.on_commit is not None:
                change.on_commit(change)

    def _after_end(self, _session: Session, ended: SessionTransaction) -> None:
        """What stood in a savepoint that was released is the outer transaction's; in any other it was rolled back."""
        outer = ended.parent if ended is self._released else None
        for change in self._open:
            change.inside = outer if change.inside is ended else change.inside
            for one in change.joined:
                one.inside = outer if one.inside is ended else one.inside
        self._open = [change for change in self._open if change.inside is not None]


class Sessions:
    """The open changes of each session that has any."""

    def __init__(self, fault_points: FaultPoints) -> None:
        self._fault_points = fault_points
        self._found: weakref.WeakKeyDictionary[Session, Changes] = weakref.WeakKeyDictionary()

    def add(self, session: Session, change: SubjectChange) -> None:
        if session not in self._found:
            self._found[session] = Changes(session, self._fault_points)
        self._found[session].add(change)
