"""Which records of a run reach the handler, which are repeats, which are parked. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from outbox.errors import Undecodable
from outbox.event import ReceivedEvent, SourcePosition
from outbox.installation import foreign, is_whole
from outbox.kafka.port import Record

Decode = Callable[[Record], ReceivedEvent]
BEHIND = "behind an earlier parked event of its key"
WAITING = "waiting for version"


class ParkingCause(StrEnum):
    """Why a record was parked, in few words: what a metric can count. The reason says the rest."""

    UNDECODABLE = "undecodable"  # bytes or headers that are no event
    POISON = "poison"  # the handler refused it for good
    PERMANENT = "permanent"  # an error that trying again cannot help
    BUG = "bug"  # a mistake in the handler, or data that it did not expect
    EXPIRED = "expired"  # late, and its policy parks late work
    OVER_BUDGET = "over_budget"  # it failed, the retry budget was spent, and its policy parks that
    EARLY = "early"  # an earlier version of its aggregate is missing
    BEHIND = "behind"  # healthy perhaps, behind another of its key


_NAMED = frozenset(
    {ParkingCause.UNDECODABLE, ParkingCause.PERMANENT, ParkingCause.BUG, ParkingCause.EXPIRED, ParkingCause.OVER_BUDGET}
)


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A record for quarantine."""

    record: Record
    reason: str
    event: ReceivedEvent | None = None  # None: it could not be read

    @property
    def cause(self) -> ParkingCause:
        if self.reason == BEHIND:
            return ParkingCause.BEHIND
        if self.reason.startswith(WAITING):
            return ParkingCause.EARLY
        named = self.reason.partition(":")[0]
        return ParkingCause(named) if named in _NAMED else ParkingCause.POISON


@dataclass(frozen=True, slots=True)
class Doubt:
    """An event whose source does not go on from where the lane stands; `foreign`: it is another source altogether.

    Else its position is not beyond `last`, as a repeat's is: whether it is one, only the log can say. `unsure`: so may
    be one that is beyond, and where the log does not hold it, it is new.
    """

    event: ReceivedEvent
    last: SourcePosition | None
    foreign: bool
    unsure: bool = False

    @property
    def offset(self) -> int:
        return self.event.offset

    @property
    def id(self) -> UUID:
        return self.event.event.id


class Doubtful(Exception):
    """A run has events that are neither new for sure nor repeats for sure: nothing of it was handled."""

    def __init__(self, doubts: Sequence[Doubt]) -> None:
        super().__init__(f"{len(doubts)} events do not go on from where their source stands")
        self.doubts = tuple(doubts)


@dataclass(frozen=True, slots=True)
class Triage:
    """`events` go to the handler; `last` is the source position after the run; `parked_keys` are blocked from now."""

    events: tuple[ReceivedEvent, ...]
    parked: tuple[ParkedRecord, ...]
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
    sources: Set[str] | None = None,
    repeats: Set[int] = frozenset(),
    ask_below: int = 0,
    fresh: Set[int] = frozenset(),
) -> Triage:
    """Sort a run. `blocked` keys have an unresolved parked event; `condemned` maps an offset to its reason.

    A repeat is recognised first: it must not be parked a second time behind its own original. `repeats` are offsets
    of which the log has shown it; `sources` are ours, None where they were not told. Below the offset `ask_below` every
    event is in doubt that is not known to be `fresh`. Raises `Doubtful`: one dropped for its position would be lost.
    """
    events: list[ReceivedEvent] = []
    parked: list[ParkedRecord] = []
    doubts: list[Doubt] = []
    waiting = set(blocked)
    look = bool(waiting or condemned)  # else there is no reason to park one that can be read
    for record in records:
        event: ReceivedEvent | None = None
        try:
            event = decode(record)
        except Undecodable as error:
            reason: str | None = f"undecodable: {error}"
        else:
            position = event.position
            if position is not None:
                unsure = record.offset < ask_below and record.offset not in fresh
                odd = unsure or last is None or position <= last or position[0] != last[0]  # rare: nearly all go on
                if odd and (doubt := _doubt(event, position, last, sources, unsure=unsure)):
                    doubts.append(doubt)
                    continue
                last = position
            reason = condemned.get(record.offset) if look else None
            if reason is None and not (look and record.key in waiting):
                events.append(event)
                continue
        if record.key is not None:
            reason = BEHIND if record.key in waiting else reason
            waiting.add(record.key)
        parked.append(ParkedRecord(record, reason or "", event))
        look = True
    if unsettled := [doubt for doubt in doubts if doubt.foreign or doubt.offset not in repeats]:
        raise Doubtful(unsettled)
    return Triage(tuple(events), tuple(parked), len(doubts), last)


def _doubt(
    event: ReceivedEvent,
    position: SourcePosition,
    last: SourcePosition | None,
    sources: Set[str] | None,
    *,
    unsure: bool,
) -> Doubt | None:
    if is_foreign(position, last, sources):
        return Doubt(event, last, foreign=True)
    if is_repeat(position, last):
        return Doubt(event, last, foreign=False)
    return Doubt(event, last, foreign=False, unsure=True) if unsure else None


def is_repeat(position: SourcePosition | None, last: SourcePosition | None) -> bool:
    """It looks as if the relay had sent it before: its source has already come as far. Unknown positions never do.

    A bare source name, as relays wrote it once, may be the same source as any.
    """
    if position is None or last is None or position[1:] > last[1:]:
        return False
    return position.source == last.source or not (is_whole(position.source) and is_whole(last.source))


def is_foreign(position: SourcePosition, last: SourcePosition | None, sources: Set[str] | None) -> bool:
    """Whether it comes from none of our sources; where those were not told, from another one than the event before."""
    ours = {last.source} if sources is None and last is not None and is_whole(last.source) else sources
    return ours is not None and foreign(position.source, ours)
