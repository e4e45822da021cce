"""One command under the plan's admission: waits before it begins, is slowed under pressure, ended at its bound."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from strangler.admission.bulk import Bulk, Turns
from strangler.bulk.asking import SOCKET
from strangler.bulk.child import Child
from strangler.bulk.gate import Gate

LOOK_S = 0.05
LOOK_AGAIN_S = 0.5  # at what it holds, once it had a transaction open
ENDED_IN_TIME = "by itself"

Pressed = Callable[[], Mapping[str, float]]  # the contexts that are given way to, and for how long their events wait
HoldsLocks = Callable[[], bool]


@dataclass(slots=True)
class BulkEnd:
    """What became of a command. `exit_code` is its own, None where it never began. `why`: the contexts for which it
    waited or was slowed, with the longest that their events waited. `in_transaction_s`: it should have stood, and had
    a transaction open. Times are seconds.
    """

    exit_code: int | None = None
    ended: str = ENDED_IN_TIME
    waited_s: float = 0.0
    ran_s: float = 0.0
    slowed_s: float = 0.0
    in_transaction_s: float = 0.0
    units: int = 0
    why: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class ToldToEnd:
    """Signals that came to us: from a handler, so nothing but a plain value is set."""

    by: signal.Signals | None = None

    def __call__(self, number: int, _frame: object) -> None:
        self.by = signal.Signals(number)


@dataclass(slots=True)
class Admit:
    """`pressed` returns at once, `holds_locks` within a second. `say` is told what changes, in words for people."""

    bulk: Bulk
    pressed: Pressed
    holds_locks: HoldsLocks
    say: Callable[[str], None]
    told: ToldToEnd = field(default_factory=ToldToEnd)
    clock: Callable[[], float] = time.monotonic
    found: BulkEnd = field(default_factory=BulkEnd)
    look_at: float = float("-inf")

    def run(self, argv: Sequence[str], environ: Mapping[str, str]) -> BulkEnd:
        """Blocks until it has ended; `BadInput` where it cannot be run."""
        with closing(Gate()) as gate:
            if self._may_begin(gate):
                child = Child(argv, {**environ, SOCKET: gate.path}, gate.wake)
                began = self.clock()
                self._watch(child, gate, began)
                self.found.ran_s = self.clock() - began
                self.found.units = gate.units
                self.found.exit_code = child.exit_code
        return self.found

    def _may_begin(self, gate: Gate) -> bool:
        began = self.clock()
        while pressure := self._pressure():
            self.found.waited_s = self.clock() - began
            if self.told.by is not None:
                self.found.ended = f"told to by {self.told.by.name} before it began"
                return False
            if self.found.waited_s >= self.bulk.longest_wait_s:
                names = ", ".join(sorted(pressure))
                self.found.ended = f"not begun within longest_wait_s={self.bulk.longest_wait_s:g}, for {names}"
                return False
            gate.wait(LOOK_S)
        return True

    def _watch(self, child: Child, gate: Gate, began: float) -> None:
        turns, last = Turns(self.bulk), began
        while child.exit_code is None:
            now = self.clock()
            pressed = bool(self._pressure())
            if self.told.by is not None:
                return self._end(child, gate, self.told.by, f"told to by {self.told.by.name}")
            if now - began >= self.bulk.longest_s:
                return self._end(child, gate, signal.SIGTERM, f"ran for longest_s={self.bulk.longest_s:g}")
            self._slow(child, gate, turns, now, now - last, pressed=pressed)
            last = now
            gate.wait(LOOK_S)
        if child.stopped:  # what it has left behind must not stand for ever
            child.go_on()
        return None

    def _slow(self, child: Child, gate: Gate, turns: Turns, now: float, passed_s: float, *, pressed: bool) -> None:
        """Whoever asks is held by the answer, and never stopped."""
        if child.stopped or gate.asking:
            self.found.slowed_s += passed_s
        while gate.asking and turns.next_unit(now, pressed=pressed):
            gate.let_one()
        runs = gate.asked or turns.runs(now, pressed=pressed)
        if runs and child.stopped:
            child.go_on()
        elif not runs and not child.stopped:
            self._stop(child, now)
            self.found.in_transaction_s += 0.0 if child.stopped else passed_s

    def _stop(self, child: Child, now: float) -> None:
        """Not while it has a transaction open: its locks would stand with it. It may have begun one since we looked."""
        if now < self.look_at:
            return
        if not self.holds_locks():
            child.stop()
            if not self.holds_locks():
                return
            child.go_on()
        self.look_at = now + LOOK_AGAIN_S

    def _end(self, child: Child, gate: Gate, by: signal.Signals, why: str) -> None:
        self.found.ended = why
        self.say(f"the command is told to end: {why}")
        child.end(by)
        gate.refuse()  # who waits there for its next unit would not come to its end
        kill_at = self.clock() + self.bulk.grace_s
        while child.group_lives() and self.clock() < kill_at:
            gate.wait(LOOK_S)
        if child.group_lives():
            self.found.ended = f"{why}, and killed {self.bulk.grace_s:g} s later"
            child.kill()
        while child.exit_code is None:  # what is killed ends
            gate.wait(LOOK_S)

    def _pressure(self) -> Mapping[str, float]:
        now = self.pressed()
        for name, waited_s in now.items():
            self.found.why[name] = max(waited_s, self.found.why.get(name, 0.0))
        return now
