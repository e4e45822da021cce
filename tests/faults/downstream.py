"""What a handler calls is away for long, then gets three times the load it can take: four instances, one group.

Counted at the downstream, in events: every attempt, also those it refuses. Time is real.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, Metric, Overloaded, RuntimeSettings
from outbox.event import ReceivedEvent
from tests.integration.consumer_rig import Rig, Running
from tests.support.waiting import wait_until

INSTANCES = 4
KEYS = 200
ATTEMPTS_LIMIT = 1.10


class Downstream:
    """Takes `capacity` events a second and saves up for half a second; more is answered 429 with Retry-After."""

    def __init__(self, capacity: float) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._tokens, self._at = capacity / 2, time.monotonic()
        self.down = False
        self.attempts = self.taken = self.refused = 0

    def call(self, events: int) -> None:
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._capacity / 2, self._tokens + (now - self._at) * self._capacity)
            self._at = now
            self.attempts += events
            if self.down:
                raise ConnectionError("the downstream is away")
            if self._tokens < events:
                self.refused += events
                raise Overloaded("429", retry_after_s=(events - self._tokens) / self._capacity)
            self._tokens -= events
            self.taken += events


@dataclass(frozen=True, slots=True)
class DownstreamReport:
    """`goodput` is what was delivered after the outage, as a share of what the downstream could take in that time."""

    instances: int
    outage_s: float
    deliveries: int
    attempts: int
    attempts_per_delivery: float
    refused: int
    goodput: float
    lost: int
    doubled: int
    inversions: int
    breaker_opened: int
    put_off: int

    def found(self) -> bool:
        wrong = self.lost or self.doubled or self.inversions
        return bool(wrong) or self.attempts_per_delivery > ATTEMPTS_LIMIT or self.goodput < 0.9

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def run_downstream(rig: Rig, *, capacity: int, outage_s: float, overload_s: float) -> DownstreamReport:
    """`rig` has a topic of four partitions; a second of health, the outage at half load, then three times the load."""
    downstream = Downstream(capacity)

    def handler(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        downstream.call(len(events))
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO effects_seen (key, number) VALUES (%s, %s)",
                [(event.event.aggregate_id, event.event.aggregate_version) for event in events],
            )
        return [Disposition.APPLIED] * len(events)

    instances = [rig.runtime(handler, settings=RuntimeSettings()) for _ in range(INSTANCES)]
    source = _Source(rig)
    source.send(1.0, capacity / 2)
    downstream.down = True
    source.send(outage_s, capacity / 2)
    downstream.down, back_at, before = False, time.monotonic(), downstream.taken
    source.send(overload_s, 3 * capacity)
    _drained(rig)
    goodput = (downstream.taken - before) / (capacity * (time.monotonic() - back_at))
    for one in instances:
        one.stop()
    return _report(rig, downstream, instances, outage_s=outage_s, goodput=goodput)


class _Source:
    """Events of all keys in turn, at a rate."""

    def __init__(self, rig: Rig) -> None:
        self._rig, self._sent = rig, 0

    def send(self, seconds: float, rate: float) -> None:
        start, first = time.monotonic(), self._sent
        while (elapsed := time.monotonic() - start) < seconds:
            while self._sent < first + elapsed * rate:
                number, key = divmod(self._sent, KEYS)
                self._rig.send(f"order-{key}", number + 1)
                self._sent += 1
            time.sleep(0.01)  # the rate's grain
        self._rig.producer.flush(10.0)


def _drained(rig: Rig) -> None:
    def delivered() -> int:
        return int(rig.sql("SELECT count(*) FROM effects_seen")[0][0])

    wait_until(
        lambda: delivered() >= len(rig.sent),
        lambda: f"{delivered()} of {len(rig.sent)} delivered",
        within_s=600.0,
        every_s=0.05,
    )


def _report(
    rig: Rig, downstream: Downstream, instances: Sequence[Running], *, outage_s: float, goodput: float
) -> DownstreamReport:
    effects = rig.effects()
    numbers: dict[str, list[int]] = {}
    for key, number in effects:
        numbers.setdefault(key, []).append(number)
    return DownstreamReport(
        instances=len(instances),
        outage_s=outage_s,
        deliveries=len(rig.sent),
        attempts=downstream.attempts,
        attempts_per_delivery=round(downstream.attempts / len(rig.sent), 4),
        refused=downstream.refused,
        goodput=round(goodput, 3),
        lost=len(set(rig.sent) - set(effects)),
        doubled=len(effects) - len(set(effects)),
        inversions=sum(seen != sorted(seen) for seen in numbers.values()),
        breaker_opened=sum(one.count(Metric.BREAKER, "open") for one in instances),
        put_off=sum(one.count(Metric.PUT_OFF) for one in instances),
    )
