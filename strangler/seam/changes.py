"""Whether a change of a subject has been committed: heard from the session, never declared."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import event

from outbox.fault_points import FaultPoints
from strangler.ownership import Ownership
from strangler.seam.mapped import Identity

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.orm import Session, SessionTransaction


@dataclass(slots=True, eq=False)
class Change:
    """One change of a subject in a unit of work. `calls`: by step, how many have begun. `inside`: the transaction of
    the session in which it stands, None once that has ended. `payload`: its event's, None where it goes on.
    `deferred`: another unit made it, and left to this one the steps that a worker calls.
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
    on_commit: Callable[[Change], None] | None = None

    @property
    def is_open(self) -> bool:
        """Its transaction can still take something in. Not while it commits: then nothing joins any more."""
        return self.inside is not None and self.inside.is_active


class Changes:
    """The changes of one session that nobody has committed yet."""

    def __init__(self, session: Session, fault_points: FaultPoints) -> None:
        self._fault_points = fault_points
        self._open: list[Change] = []
        self._released: SessionTransaction | None = None
        event.listen(session, "after_commit", self._after_commit)
        event.listen(session, "after_transaction_end", self._after_end)

    def add(self, change: Change) -> None:
        self._open.append(change)

    def _after_commit(self, session: Session) -> None:
        self._released = session.get_nested_transaction()
        if self._released is not None:  # a savepoint's
            return
        committed, self._open = self._open, []
        if committed:
            self._fault_points.reach("seam.committed")
        for change in committed:
            change.inside, change.committed = None, True
            if change.on_commit is not None:
                change.on_commit(change)

    def _after_end(self, _session: Session, ended: SessionTransaction) -> None:
        """What stood in a savepoint that was released is the outer transaction's; in any other it was rolled back."""
        for change in self._open:
            if change.inside is ended:
                change.inside = ended.parent if ended is self._released else None
        self._open = [change for change in self._open if change.inside is not None]


class Sessions:
    """The open changes of each session that has any."""

    def __init__(self, fault_points: FaultPoints) -> None:
        self._fault_points = fault_points
        self._found: weakref.WeakKeyDictionary[Session, Changes] = weakref.WeakKeyDictionary()

    def add(self, session: Session, change: Change) -> None:
        if session not in self._found:
            self._found[session] = Changes(session, self._fault_points)
        self._found[session].add(change)
