"""Which records of a run reach the handler, which are repeats, which are parked. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum

from outbox.errors import Undecodable
from outbox.event import ReceivedEvent, SourcePosition
from outbox.kafka.port import Record

Decode = Callable[[Record], ReceivedEvent]
BEHIND = "behind an earlier parked event of its key"
WAITING = "waiting for version"


class Cause(StrEnum):
    """Why a record was parked, in few words: what a metric can count. The reason says the rest."""

    UNDECODABLE = "undecodable"  # bytes or headers that are no event
    POISON = "poison"  # the handler refused it for good
    PERMANENT = "permanent"  # an error that trying again cannot help
    EXPIRED = "expired"  # late, and its policy parks late work
    OVER_BUDGET = "over_budget"  # it failed, the retry budget was spent, and its policy parks that
    EARLY = "early"  # an earlier version of its aggregate is missing
    BEHIND = "behind"  # healthy perhaps, behind another of its key


_NAMED = frozenset({Cause.UNDECODABLE, Cause.PERMANENT, Cause.EXPIRED, Cause.OVER_BUDGET})


@dataclass(frozen=True, slots=True)
class Parked:
    """A record for quarantine."""

    record: Record
    reason: str

    @property
    def cause(self) -> Cause:
        if self.reason == BEHIND:
            return Cause.BEHIND
        if self.reason.startswith(WAITING):
            return Cause.EARLY
        named = self.reason.partition(":")[0]
        return Cause(named) if named in _NAMED else Cause.POISON


@dataclass(frozen=True, slots=True)
class Triage:
    """`events` go to the handler; `last` is the source position after the run; `parked_keys` are blocked from now."""

    events: tuple[ReceivedEvent, ...]
    parked: tuple[Parked, ...]
    duplicates: int
    last: SourcePosition | None

    @property
    def parked_keys(self) -> frozenset[bytes]:
        return frozenset(one.record.key for one in self.parked if one.record.key is not None)


def triage(
    records: Sequence[Record],
    decode: Decode,
    *,
    last: SourcePosition | None,
    blocked: Set[bytes],
    condemned: Mapping[int, str],
) -> Triage:
    """Sort a run. `blocked` keys have an unresolved parked event; `condemned` maps an offset to its reason.

    A repeat is recognised first: it must not be parked a second time behind its own original.
    """
    events: list[ReceivedEvent] = []
    parked: list[Parked] = []
    waiting = set(blocked)
    duplicates = 0
    look = bool(waiting or condemned)  # else there is no reason to park one that can be read
    for record in records:
        try:
            event = decode(record)
        except Undecodable as error:
            reason: str | None = f"undecodable: {error}"
        else:
            position = event.position
            if position is not None:
                if last is not None and position <= last and is_repeat(position, last):
                    duplicates += 1
                    continue
                last = position
            reason = condemned.get(record.offset) if look else None
            if reason is None and not (look and record.key in waiting):
                events.append(event)
                continue
        if record.key is not None:
            reason = BEHIND if record.key in waiting else reason
            waiting.add(record.key)
        parked.append(Parked(record, reason or "undecodable"))
        look = True
    return Triage(tuple(events), tuple(parked), duplicates, last)


def is_repeat(position: SourcePosition | None, last: SourcePosition | None) -> bool:
    """The relay sent it before: its source has already come as far. Unknown positions are never repeats."""
    return position is not None and last is not None and position.source == last.source and position <= last
