"""What stands still, as a member says it and as a reader of the lag finds it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class StandingCause(StrEnum):
    """Why nothing moves, or less than could. The first eight a member says, the others are seen from outside.

    A lane that waits for its turn stands no longer than the others are worked off: that is said to readers of the lag,
    which else could not tell it from one that is forgotten, and to nobody else.
    """

    POSITION_LOST = "position_lost"
    UNREADABLE = "partition_unreadable"
    SOURCE_BROKEN = "source_broken"
    ASSIGNMENT_WAITS = "assignment_waits"
    BREAKER_OPEN = "breaker_open"
    LANE_STANDS = "lane_stands"
    WAITS_ITS_TURN = "waits_its_turn"
    GIVES_WAY = "gives_way"  # slowed down, by its policy
    TOPIC_MISSING = "topic_missing"
    NO_MEMBER = "no_member"
    NOT_MOVING = "not_moving"


# What an operator must settle: no work of others waits for it.
FOR_A_PERSON = frozenset(
    {
        StandingCause.POSITION_LOST,
        StandingCause.UNREADABLE,
        StandingCause.SOURCE_BROKEN,
        StandingCause.TOPIC_MISSING,
    }
)


@dataclass(frozen=True, slots=True)
class Standing:
    """`for_s`: seconds that it has stood. `topic` and `partition` are None where the whole group stands, `offset` is
    None where no event is to blame, `lane` is None where all lanes stand. `detail` never holds a payload or a key.
    """

    cause: StandingCause
    for_s: float
    topic: str | None = None
    partition: int | None = None
    lane: int | None = None
    offset: int | None = None
    detail: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Standing:
        """As `asdict` made it; `ValueError` or `TypeError` for what did not."""
        return cls(**{**data, "cause": StandingCause(str(data["cause"]))})  # type: ignore[arg-type] # a member wrote it

    @property
    def still(self) -> bool:
        """Whether nothing moves: who gives way goes on, and nobody need come."""
        return self.cause is not StandingCause.GIVES_WAY

    @property
    def sentence(self) -> str:
        """For people.

        >>> Standing(StandingCause.NO_MEMBER, 12.3, "outbox.event.order", 0, offset=17).sentence
        'outbox.event.order/0 stands at offset 17 for 12 s: no_member'
        """
        place = self.topic or "the group"
        place += "" if self.partition is None else f"/{self.partition}"
        place += "" if self.lane is None else f" lane {self.lane}"
        if not self.still:
            return f"{place} gives way {self.detail}, for {self.for_s:.0f} s now"
        at = "" if self.offset is None else f" at offset {self.offset}"
        return f"{place} stands{at} for {self.for_s:.0f} s: {self.cause}{': ' if self.detail else ''}{self.detail}"
