"""How fast slots come free: learned from what has ended, and from the age of what has not."""

from __future__ import annotations

from statistics import median

WEIGHT = 0.03  # of one more success in the mean service time
UNKNOWN_S = 0.1  # the service time until one is known
MOST_OF_ALLOWED = 4.0  # counts of one answer: a download must not pass for a hundred that are late


class Drain:
    """What is in flight, how long it takes, and so how many slots come free in a second."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.served = self.ended = 0
        self.service_s = UNKNOWN_S  # of what was served
        self._held_s = 0.0  # of all that has ended: a call that was cut freed its slot only then
        self._began = 0.0  # the sum of the times at which what is in flight began
        self.ended_s = 0.0  # the sum of the times that all that has ended took
        self.of_allowed = 0.0  # the sum of the same, each as a part of what its class allowed it
        self._flying: dict[tuple[float, float], int] = {}  # when it began and what it is allowed

    def start(self, at: float, allowed_s: float) -> None:
        """`allowed_s`: after so long its answer is of no use."""
        self.in_flight += 1
        self._began += at
        self._flying[at, allowed_s] = self._flying.get((at, allowed_s), 0) + 1

    def end(self, at: float, now: float, allowed_s: float, *, served: bool) -> None:
        """A failure tells nothing of how long service takes: it may have been refused at once, or cut."""
        if (left := self._flying[at, allowed_s] - 1) > 0:
            self._flying[at, allowed_s] = left
        else:
            del self._flying[at, allowed_s]
        self.of_allowed += min(MOST_OF_ALLOWED, (now - at) / allowed_s)
        self.in_flight -= 1
        self.ended += 1
        self._began = self._began - at if self.in_flight else 0.0  # so that rounding errors do not add up
        self.ended_s += now - at
        self._held_s += WEIGHT * (now - at - self._held_s)
        if served:
            self.served += 1
            weight = max(WEIGHT, 1 / self.served)
            self.service_s += weight * (now - at - self.service_s)

    def age_s(self, now: float) -> float:
        """The mean age of what is in flight; it tells of a stall before anything has ended."""
        return now - self._began / self.in_flight if self.in_flight else 0.0

    def age_of_allowed(self, now: float, slots: int) -> float:
        """As a part of what its class allows it, half of what is in the slots is older. A few that take for ever, such
        as downloads, do not show in it.
        """
        ages = [(now - at) / allowed_s for (at, allowed_s), count in self._flying.items() for _ in range(count)]
        free = [0.0] * (slots - self.in_flight)
        return median(ages + free) if ages else 0.0

    def per_s(self, now: float, limit: int) -> float:
        """Slots that come free in a second while all are taken."""
        return max(1, limit) / max(self.service_s, self._held_s, self.age_s(now), 1e-6)

    def slot_seconds(self, now: float) -> float:
        """The slots that have been in use, times how long: its growth over a time is their mean number in it."""
        return self.ended_s + now * self.in_flight - self._began
