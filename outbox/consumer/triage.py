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


class Cause(StrEnum):
    """Why a record was parked, in few words: what a metric can count. The reason says the rest."""

    UNDECODABLE = "undecodable"  # bytes or headers that are no event
    POISON = "poison"  # the handler refused it for good
    PERMANENT = "permanent"  # an error that trying again cannot help
    EXPIRED = "expired"  # late, and its policy parks late work
    BEHIND = "behind"  # healthy perhaps, behind another of its key


@dataclass(frozen=True, slots=True)
class Parked:
    """A record for quarantine."""

    record: Record
    reason: str

    @property
    def cause(self) -> Cause:
        if self.reason == BEHIND:
            return Cause.BEHIND
        named = self.reason.partition(":")[0]
        return Cause(named) if named in (Cause.UNDECODABLE, Cause.PERMANENT, Cause.EXPIRED) else Cause.POISON


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
    for record in records:
        event = _decoded(record, decode)
        if isinstance(event, ReceivedEvent):
            if is_repeat(event.position, last):
                duplicates += 1
                continue
            last = event.position or last
            if not waiting and not condemned:
                events.append(event)
                continue
        reason = _reason_to_park(record, event, waiting, condemned)
        if isinstance(event, ReceivedEvent) and reason is None:
            events.append(event)
            continue
        parked.append(Parked(record, reason or "undecodable"))
        if record.key is not None:
            waiting.add(record.key)
    return Triage(tuple(events), tuple(parked), duplicates, last)


def is_repeat(position: SourcePosition | None, last: SourcePosition | None) -> bool:
    """The relay sent it before: its source has already come as far. Unknown positions are never repeats."""
    if position is None or last is None or position.source != last.source:
        return False
    return position.lsn < last.lsn or (position.lsn == last.lsn and position.ordinal <= last.ordinal)


def _decoded(record: Record, decode: Decode) -> ReceivedEvent | Undecodable:
    try:
        return decode(record)
    except Undecodable as error:
        return error


def _reason_to_park(
    record: Record, event: ReceivedEvent | Undecodable, waiting: Set[bytes], condemned: Mapping[int, str]
) -> str | None:
    if record.key is not None and record.key in waiting:
        return BEHIND
    if isinstance(event, Undecodable):
        return f"undecodable: {event}"
    return condemned.get(record.offset)
