"""Watches a process at work: which lanes stand, and whether that is named in time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field

from tests.faults.record_place import Ground
from tests.faults.record_process import Process
from tests.faults.record_stops import WITHIN_S, Stop, death_is_named, silent
from tests.support.waiting import comes_true

STANDS_AFTER_S = 1.0
LAG_KNOWS_AFTER_S = 5.0  # what is shorter it takes for a hiccup
TAKEN_WITHIN_S, AFTER_A_KILL_S = 60.0, 70.0  # until a new member has its partitions
EVERY_S = 0.25
STEP_S = 1.5  # two looks further apart count as this: a machine that gives nobody time proves nothing

Lane = tuple[int, int]


@dataclass
class Watch:
    """Of one process. `silent`: what nobody told of in time; `named`: by which lines the others were."""

    ground: Ground
    process: Process
    name: str
    mended: bool
    silent: list[str] = field(default_factory=list)
    named: Counter[str] = field(default_factory=Counter)
    heads: dict[Lane, tuple[int, float]] = field(default_factory=dict)
    standing: dict[Lane, frozenset[str]] = field(default_factory=dict)
    moved_at: float = field(default_factory=time.time)
    looked_at: float = field(default_factory=time.time)
    fences: dict[int, int] = field(init=False)
    _done: set[tuple[Lane, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.fences = self.ground.fences()

    def settle(self, within_s: float, quiet_s: float) -> bool:
        """Until all is done with, or all that is left stands, named or not, for so long. False: something still moves.

        Ends too when the process does.
        """
        return comes_true(lambda: self._settled(quiet_s), within_s=within_s, every_s=EVERY_S)

    def forget(self) -> None:
        """It stood still itself: no lane stands for longer than from now."""
        now = time.time()
        self.heads = {lane: (head, now) for lane, (head, _) in self.heads.items()}
        self.moved_at = self.looked_at = now

    def look(self) -> bool:
        """Whether a lane has work."""
        pending = self.ground.pending()
        taken = {
            partition for partition, fence in self.ground.fences().items() if fence > self.fences.get(partition, 0)
        }
        evidence = self.process.look()
        now = time.time()
        late_s = max(0.0, now - self.looked_at - STEP_S)
        self.heads = {lane: (head, since + late_s) for lane, (head, since) in self.heads.items()}
        before, self.looked_at = self.heads, now
        self.heads = {lane: (head, self._since(lane, head, now, taken)) for lane, head in pending.items()}
        if {lane: head for lane, (head, _) in before.items()} != pending:
            self.moved_at = now
        self.standing = {}
        stops = {lane: Stop(*lane, head, now, now - since) for lane, (head, since) in self.heads.items()}
        long = [one for one in stops.values() if one.stood_s > LAG_KNOWS_AFTER_S]
        evidence.standing = self.ground.lag() if any(map(self._open, long)) else ()
        for lane, stop in stops.items():
            if stop.stood_s < STANDS_AFTER_S:
                continue
            self.standing[lane] = evidence.naming(stop)
            missing = silent(stop, evidence)
            if not missing:
                self._count((lane, stop.head), self.standing[lane])
            elif stop.stood_s > WITHIN_S:
                self._silent(stop, missing)
        return bool(pending)

    @property
    def broken(self) -> list[int]:
        """Partitions whose source broke, as the log says of lanes that stand."""
        return sorted({partition for (partition, _), events in self.standing.items() if "source_broken" in events})

    def died(self) -> bool:
        """It has ended by itself; what it says of it is judged."""
        if not self.process.ended():
            return False
        code, log = self.process.exit_code, self.process.log.read_text(errors="replace")
        self.named[f"its end, with {code}"] += 1
        if not death_is_named(code, log):
            self.silent.append(f"{self.name}: ended with {code}, and says: {self.process.last_words(3)}")
        return True

    def _settled(self, quiet_s: float) -> bool:
        if self.process.stands():  # it has come to its point late
            self.process.go_on()
            self.forget()
        if self.process.ended() or not self.look():
            return True
        judged = all((lane, head) in self._done for lane, (head, _) in self.heads.items())
        return judged and time.time() - self.moved_at >= quiet_s

    def _since(self, lane: Lane, head: int, now: float, taken: Set[int]) -> float:
        """When it began to stand; not before its partition has been taken over, or should have been."""
        known, since = self.heads.get(lane, (None, now))
        since = since if known == head else now
        if lane[0] in taken:
            return since
        allowed = AFTER_A_KILL_S if self.ground.killed else TAKEN_WITHIN_S
        return max(since, min(now, self.process.began + allowed))

    def _open(self, stop: Stop) -> bool:
        """Whether it has not been judged."""
        return ((stop.partition, stop.lane), stop.head) not in self._done

    def _count(self, stop: tuple[Lane, int], events: frozenset[str]) -> None:
        if stop not in self._done:
            self._done.add(stop)
            self.named.update(events)

    def _silent(self, stop: Stop, missing: list[str]) -> None:
        where = (stop.partition, stop.lane), stop.head
        if where in self._done:
            return
        self._done.add(where)
        text = f"{self.name}: partition {stop.partition} stands at offset {stop.head} for {stop.stood_s:.1f} s"
        self.silent += [f"silent in {who}: {text}; {self.process.last_words(2)}" for who in missing]
