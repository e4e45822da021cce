"""When is an event late, and which branch does late work take? Pure: time is passed in, in seconds since 1970."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from outbox.consumer.handler import Handler
from outbox.errors import ConfigurationError
from outbox.event import Event, ReceivedEvent
from outbox.policy import Expired, Policy

_IN_MS_FROM = 100_000_000_000  # as seconds that is the year 5138, as milliseconds 1973
_TIME_VERSION = 7


@dataclass(frozen=True, slots=True)
class Expiry:
    """`branch` is taken by what is late; `clause` is what the decision cites.

    An event is late after the `deadline` in its context, else `deadline_s` after it was made, else never. `tolerance_s`
    is granted to all: clocks differ. What the branch drops is given up as the runtime's `Shedding` says.
    `compensate` acts as a handler does, on the late events.
    """

    branch: Expired
    clause: str
    deadline_s: float | None = None
    tolerance_s: float = 1.0
    compensate: Handler | None = None

    def __post_init__(self) -> None:
        if self.branch is Expired.COMPENSATE and self.compensate is None:
            raise ConfigurationError(
                f"{self.clause}, and nothing compensates; give compensate=, a handler of late events"
            )
        if self.branch is not Expired.COMPENSATE and self.compensate is not None:
            raise ConfigurationError(
                f"{self.clause}, so nothing calls compensate; leave it out, or let the policy say expired=compensate"
            )
        if self.tolerance_s < 0 or (self.deadline_s is not None and self.deadline_s <= 0):
            raise ConfigurationError(f"deadline_s is {self.deadline_s}, tolerance_s {self.tolerance_s}: not below 0")

    @classmethod
    def of(cls, policy: Policy, *, compensate: Handler | None = None) -> Expiry:
        """What a flow's policy says of late work."""
        return cls(policy.expired, policy.clause("expired"), policy.deadline_s, compensate=compensate)

    def late(self, event: Event, now: float) -> bool:
        """True once the deadline has passed. A deadline that cannot be read is none: nothing is lost over it."""
        deadline = deadline_of(event, self.deadline_s)
        return deadline is not None and now > deadline + self.tolerance_s

    def split(self, events: Sequence[ReceivedEvent], now: float) -> list[tuple[bool, int, list[ReceivedEvent]]]:
        """Stretches of a batch in its order: late or not, the place of the first, the events."""
        stretches = []
        first = 0
        for is_late, stretch in groupby(events, key=lambda received: self.late(received.event, now)):
            found = list(stretch)
            stretches.append((is_late, first, found))
            first += len(found)
        return stretches


def deadline_of(event: Event, deadline_s: float | None) -> float | None:
    """The event's own deadline, else that of its making (its id tells the time) and `deadline_s`.

    In the context it is RFC 3339 text with a zone, or a number of seconds or milliseconds since 1970.
    """
    said = event.context.get("deadline")
    if isinstance(said, str):
        try:
            parsed = datetime.fromisoformat(said)
        except ValueError:
            return None
        return parsed.timestamp() if parsed.tzinfo is not None else None
    if isinstance(said, int) and not isinstance(said, bool):
        return said / 1000 if abs(said) >= _IN_MS_FROM else float(said)
    made = made_at(event)
    return None if deadline_s is None or made is None else made + deadline_s


def made_at(event: Event) -> float | None:
    """Seconds since 1970 by its producer's clock; None where its id does not tell."""
    return (event.id.int >> 80) / 1000 if event.id.version == _TIME_VERSION else None
