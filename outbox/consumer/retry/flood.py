"""The breaker before quarantine: a flood of poison stops what carries it instead of draining into quarantine. Pure."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from outbox.consumer.retry.rule import Clause
from outbox.errors import ConfigurationError, OutboxError
from outbox.kafka.port import TopicPartition
from outbox.terms import check_terms


@dataclass(frozen=True, slots=True)
class FloodRule:
    """Per partition: `consecutive` poisoned events in a row, or more than `ratio` of about the last `window_s`.

    For the ratio there must be `consecutive` of them too: two of the first three are no flood. Then runs with poison
    wait, trying again each `pause_s`; the others go on, until the partition's bound holds the whole of it. Parking
    begins again when `calm` events in a row went well after the pause, or with a new process: a person has looked.
    """

    ratio: float = 0.05
    consecutive: int = 20
    window_s: float = 60.0
    pause_s: float = 10.0
    calm: int = 100

    def __post_init__(self) -> None:
        check_terms(self, above_zero=("ratio", "consecutive", "window_s", "pause_s", "calm"))
        if self.ratio > 1:
            raise ConfigurationError(f"FloodRule.ratio is {self.ratio}; give a share up to 1")


class Flooded(OutboxError):
    """The run would park more than the rule allows; nothing of it was done."""

    def __init__(self, partition: TopicPartition, clause: Clause, rest_s: float, *, opened: bool) -> None:
        place = f"{partition.topic}-{partition.partition}"
        super().__init__(
            f"{place} holds back what would be parked, by {clause.value}: too many events cannot be handled; look at "
            "`strangler quarantine list`, mend the handler or its data, then start the consumer again"
        )
        self.clause, self.rest_s, self.opened = clause, rest_s, opened


class _Gauge:
    """One partition."""

    def __init__(self) -> None:
        self.row = self.calm = 0
        self.window = 0
        self.now, self.before = [0, 0], [0, 0]  # handled and poisoned, of this half window and of the last
        self.open_until: float | None = None
        self.clause = Clause.FLOOD_ROW

    def count(self, half: int, handled: int, poisoned: int) -> None:
        if half != self.window:
            self.before = self.now if half == self.window + 1 else [0, 0]
            self.now, self.window = [0, 0], half
        self.now[0] += handled
        self.now[1] += poisoned
        self.row = 0 if handled else self.row + poisoned

    def too_much(self, rule: FloodRule) -> Clause | None:
        handled, poisoned = (sum(pair) for pair in zip(self.now, self.before, strict=True))
        if self.row >= rule.consecutive:
            return Clause.FLOOD_ROW
        if poisoned >= rule.consecutive and poisoned > rule.ratio * (handled + poisoned):
            return Clause.FLOOD_SHARE
        return None


class FloodGuard:
    """Asked before a run is committed. Safe from every thread. What waits behind a parked event is no poison itself."""

    def __init__(self, rule: FloodRule, clock: Callable[[], float]) -> None:
        self._rule, self._clock = rule, clock
        self._lock = threading.Lock()
        self._gauges: dict[TopicPartition, _Gauge] = {}

    def admit(self, partition: TopicPartition, *, handled: int, poisoned: int) -> None:
        """Let the run be committed, or raise `Flooded`."""
        with self._lock:
            now = self._clock()
            gauge = self._gauges.setdefault(partition, _Gauge())
            if gauge.open_until is not None:
                self._while_open(partition, gauge, now, handled=handled, poisoned=poisoned)
                return
            gauge.count(int(now // (self._rule.window_s / 2)), handled, poisoned)
            clause = gauge.too_much(self._rule) if poisoned else None
            if clause is not None:
                gauge.open_until, gauge.clause, gauge.calm = now + self._rule.pause_s, clause, 0
                raise Flooded(partition, clause, self._rule.pause_s, opened=True)

    def _while_open(self, partition: TopicPartition, gauge: _Gauge, now: float, *, handled: int, poisoned: int) -> None:
        if poisoned:
            gauge.open_until, gauge.calm = now + self._rule.pause_s, 0
            raise Flooded(partition, gauge.clause, self._rule.pause_s, opened=False)
        if now >= (gauge.open_until or 0.0):
            gauge.calm += handled
        if gauge.calm >= self._rule.calm:
            self._gauges[partition] = _Gauge()
