"""Records as a campaign sends them, and what is known of each for certain. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

from outbox.event import Event, SourcePosition
from outbox.kafka.codec import to_headers

TYPE_DIGITS = 32
OURS, OTHER = "1/ours", "2/other"
FIRST_LSN = 1_000_000
HUGE_LSN = 2**62


class Move(StrEnum):
    """What happens to the source of positions in the midst of a stream."""

    NONE = "stays"
    DECLARED = "moves, as was said"  # to another database, which the consumer was told of
    UNDECLARED = "moves, unsaid"
    FELL = "falls"  # a server took over that lacks what the old one had sent
    HUGE = "jumps and comes back"  # one position was wrong, far ahead


@dataclass(frozen=True, slots=True)
class Record:
    """`id`: of a valid event, None for what may be none. `number`: of its key, in the order of sending; so is a type
    of trouble in `trouble`. `repeat`: sent before, byte for byte.
    """

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    id: UUID | None = None
    number: int = 0
    trouble: str = ""
    placed: bool = False
    repeat: bool = False

    def again(self) -> Record:
        """As the relay sends what it had sent and not yet confirmed."""
        return replace(self, repeat=True)


@dataclass
class Writer:
    """Numbers events and gives them positions, as one database after another does."""

    rng: random.Random
    source: str = OURS
    lsn: int = FIRST_LSN
    numbers: dict[bytes, int] = field(default_factory=dict)
    huge_next: bool = False

    def change(self, move: Move) -> None:
        match move:
            case Move.DECLARED | Move.UNDECLARED:
                self.source, self.lsn = OTHER, self.rng.choice((5, 2 * FIRST_LSN))
            case Move.FELL:
                self.lsn = FIRST_LSN // 2
            case Move.HUGE:
                self.huge_next = True
            case Move.NONE:
                pass

    def valid(self, key: bytes, trouble: str, value: bytes, *, placed: bool = True) -> Record:
        """A healthy event; what its handler is to suffer from is told by its type."""
        number = self.numbers[key] = self.numbers.get(key, 0) + 1
        name = self.uuid()
        event = Event("order", key.decode(), number, trouble, value, id=name)
        headers = tuple(to_headers(event, self._position() if placed else None))
        return Record(key, value, headers, name, number, trouble, placed)

    def uuid(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128))

    def _position(self) -> SourcePosition:
        if self.huge_next:
            self.huge_next = False
            return SourcePosition(self.source, HUGE_LSN, 0)
        self.lsn += 1
        return SourcePosition(self.source, self.lsn, 0)
