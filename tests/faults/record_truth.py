"""What has become of a seed's records, by the rows of the database and the places in the log alone. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tests.faults.record_sender import Placed

Place = tuple[int, int]  # partition and offset


@dataclass(frozen=True, slots=True)
class Effect:
    """A row that the handler has left, in the order of writing."""

    id: UUID | None
    place: Place


@dataclass(frozen=True, slots=True)
class Truth:
    """Each empty where all is well. `fates`: so many records were handled, parked, recognised as repeats."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    inversions: list[str] = field(default_factory=list)
    fates: Counter[str] = field(default_factory=Counter)


def truth_of(placed: Sequence[Placed], effects: Sequence[Effect], resolved: Iterable[Place]) -> Truth:
    """Once nothing is under way and nothing open in quarantine. `resolved`: what a person has discarded there.

    An event must have left its row once, and none for its repeats. What may be no event must have left its row, or have
    been discarded out of quarantine. Nothing of an aborted transaction may have left anything. The rows of a key's
    events must be in the order in which they were sent.
    """
    found = Truth()
    at, of = Counter(one.place for one in effects), Counter(one.id for one in effects)
    parked = set(resolved)
    known = {(one.partition, one.offset) for one in placed}
    for one in placed:
        place, name = (one.partition, one.offset), one.record.id
        if one.aborted:
            if at[place] or place in parked:
                found.doubled.append(f"{_told(one)} was aborted and is there all the same")
        elif name is None:
            _weigh_garbage(found, one, at[place], discarded=place in parked)
        elif one.record.repeat:
            found.fates["repeat"] += 1
        else:
            found.fates["event"] += 1
            if not of[name]:
                found.lost.append(f"{_told(one)} has no row{', and was discarded' if place in parked else ''}")
    twice = [name for name, count in of.items() if count > 1]
    events: dict[UUID | None, Placed] = {
        one.record.id: one for one in placed if one.record.id is not None and not one.record.repeat
    }
    found.doubled.extend(f"{_told(events[name])} has {of[name]} rows" for name in twice if name in events)
    found.doubled.extend(f"a row for {place}, where nothing was sent" for place in at if place not in known)
    found.inversions.extend(_inversions(events, effects))
    return found


def _weigh_garbage(found: Truth, one: Placed, rows: int, *, discarded: bool) -> None:
    found.fates["handled garbage" if rows else "parked garbage"] += 1
    if rows > 1:
        found.doubled.append(f"{_told(one)} has {rows} rows")
    elif not rows and not discarded:
        found.lost.append(f"{_told(one)} was neither handled nor parked")


def _inversions(events: dict[UUID | None, Placed], effects: Sequence[Effect]) -> list[str]:
    """A row that was written after that of a later event of its key."""
    latest: dict[bytes | None, int] = defaultdict(int)
    seen: set[UUID | None] = set()
    found: list[str] = []
    for effect in effects:
        if effect.id not in events or effect.id in seen:
            continue
        seen.add(effect.id)
        record = events[effect.id].record
        if record.number < latest[record.key]:
            found.append(f"{_told(events[effect.id])} after number {latest[record.key]}")
        latest[record.key] = max(latest[record.key], record.number)
    return found


def _told(one: Placed) -> str:
    record = one.record
    key = None if record.key is None else record.key[:24]
    return f"{one.partition}@{one.offset} ({key!r} number {record.number}, {record.trouble or 'garbage'})"
