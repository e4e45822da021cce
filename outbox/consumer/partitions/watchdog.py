"""When is a partition stuck, and what then? Pure: values in, the next step out; the clock is the caller's.

Proof before action: the position stands still, nothing holds the partition back, and the log's end, asked for twice,
was beyond it all the while. A pause of the watcher itself (a stopped process, a long rebalance) proves nothing, and
an idle partition stands at the log's end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from outbox.kafka.port import TopicPartition
from outbox.terms import check_terms


class Remedy(StrEnum):
    """Gentle first: one partition is taken over again from the database; only then is the whole group disturbed."""

    RESEEK = "reseek"
    REJOIN = "rejoin"


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds. The log's end is asked for every `probe_s` of standstill; after `stall_s` behind it, it is a stall.

    A remedy that did not help doubles `stall_s` from the second on, up to `cap_s`: what cannot be healed must not
    keep a group in rebalances. Two looks further apart than `step_s` count as `step_s`.
    """

    probe_s: float = 3.0
    stall_s: float = 6.0
    cap_s: float = 300.0
    step_s: float = 1.0

    def __post_init__(self) -> None:
        check_terms(self, above_zero=("probe_s", "stall_s", "cap_s", "step_s"))

    def before(self, remedies: int) -> float:
        """How long to watch a stall after so many remedies.

        >>> [Patience().before(remedies) for remedies in (0, 1, 2, 3, 40)]
        [6.0, 6.0, 12.0, 24.0, 300.0]
        """
        return min(self.cap_s, self.stall_s * 2.0 ** max(0, min(remedies, 32) - 1))


class WatchedPosition(NamedTuple):
    """Where the consumer stands in a partition, under which assignment."""

    position: int
    fence: int


@dataclass(frozen=True, slots=True)
class Stall:
    """The evidence: where it stands, where the log ended when first and last asked, and how long between."""

    partition: TopicPartition
    position: int
    end_before: int
    end_now: int
    behind_s: float
    remedies: int

    @property
    def remedy(self) -> Remedy:
        return Remedy.RESEEK if self.remedies == 0 else Remedy.REJOIN


@dataclass(slots=True)
class _Watched:
    at: WatchedPosition
    still_s: float = 0.0
    probed_s: float = 0.0
    end_before: int | None = None
    behind_s: float = 0.0


class Watchdog:
    """Looks at the partitions that should flow. Not thread-safe: it belongs to the poll thread."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._watched: dict[TopicPartition, _Watched] = {}
        self._stuck: dict[TopicPartition, tuple[int, int]] = {}  # stuck at, remedies tried
        self._looked_at: float | None = None

    def look(self, now: float, flowing: Mapping[TopicPartition, WatchedPosition]) -> Set[TopicPartition]:
        """`flowing`: every open partition that no bound holds back. Returns those to `judge` now."""
        step_s = 0.0 if self._looked_at is None else min(self._patience.step_s, now - self._looked_at)
        self._looked_at = now
        self._watched = {one: self._seen(one, at, step_s) for one, at in flowing.items()}
        return {one for one, seen in self._watched.items() if seen.still_s - seen.probed_s >= self._patience.probe_s}

    def judge(self, ends: Mapping[TopicPartition, int]) -> Sequence[Stall]:
        """The log's ends of those asked for; the stalls among them, each with its remedy to be applied now."""
        found = []
        for partition, end in ends.items():
            seen = self._watched.get(partition)
            if seen is None:
                continue
            seen.probed_s = seen.still_s
            if end <= seen.at.position:
                seen.end_before, seen.behind_s = None, 0.0
            elif seen.end_before is None:
                seen.end_before = end
            elif (stall := self._stall(partition, seen, seen.end_before, end)) is not None:
                found.append(stall)
        return found

    def forget(self) -> None:
        """The broker did not answer: nothing seen so far proves anything."""
        self._watched.clear()

    def _seen(self, partition: TopicPartition, at: WatchedPosition, step_s: float) -> _Watched:
        seen = self._watched.get(partition)
        if seen is None or seen.at != at:  # also under a new fence: it was just begun anew
            if at.position > self._stuck.get(partition, (at.position, 0))[0]:
                del self._stuck[partition]
            return _Watched(at)
        seen.still_s += step_s
        if seen.end_before is not None:
            seen.behind_s += step_s
        return seen

    def _stall(self, partition: TopicPartition, seen: _Watched, end_before: int, end: int) -> Stall | None:
        stuck_at, remedies = self._stuck.get(partition, (seen.at.position, 0))
        if seen.behind_s < self._patience.before(remedies):
            return None
        self._stuck[partition] = max(stuck_at, seen.at.position), remedies + 1
        self._watched.pop(partition)
        return Stall(partition, seen.at.position, end_before, end, seen.behind_s, remedies)
