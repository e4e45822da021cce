"""A unit of work: what one request, or one task, has changed and called; at its end the rest is said."""

from __future__ import annotations

from typing import Protocol

from strangler.seam.changes import SubjectChange
from strangler.seam.mapped import Identity


class Settle(Protocol):
    """What to do about a change when its unit has ended, in an error or not."""

    def __call__(self, change: SubjectChange, *, failed: bool) -> None: ...


MOST_COMMITTED = 1_000  # of a unit that never ends: a call for an older one is recorded by what its row says


class Unit:
    """`settle(change, failed)` is called once for each change that was committed, at the unit's end or, where that
    comes later, at the commit. `endless`: of a session outside of any unit; nobody waits for its end.
    """

    def __init__(self, settle: Settle, *, endless: bool = False) -> None:
        self._settle, self._endless = settle, endless
        self._changes: list[SubjectChange] = []

    def add(self, change: SubjectChange) -> None:
        self._changes.append(change)
        if self._endless and len(self._changes) > 2 * MOST_COMMITTED:  # rarely, so that it costs next to nothing
            is_open = [one for one in self._changes if one.inside is not None]
            committed = [one for one in self._changes if one.committed]
            self._changes = committed[-MOST_COMMITTED:] + is_open

    def latest(self, identity: Identity) -> SubjectChange | None:
        """What the unit last did to a subject, unless that was rolled back."""
        found = [one for one in self._changes if one.identity == identity and (one.committed or one.inside is not None)]
        return found[-1] if found else None

    def open(self, identity: Identity) -> list[SubjectChange]:
        """What it did to a subject, and nobody has committed yet."""
        return [one for one in self._changes if one.identity == identity and one.inside is not None]

    def leave(self, change: SubjectChange) -> None:
        """Another unit goes on with it, and says what was due."""
        self._changes.remove(change)

    def end(self, *, failed: bool) -> None:
        """Twice is once."""
        changes, self._changes = self._changes, []
        for change in changes:
            if change.committed:
                self._settle(change, failed=failed)
            elif change.inside is not None:  # some applications commit after their request
                change.on_commit = lambda one: self._settle(one, failed=failed)
