"""The lag of a group, and what stands, as gauges: read when asked; older where that fails, and said so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

from outbox.catalogue import Sample
from outbox.consumer.lag.figures import GroupLag

TENANTS = 10  # series of one tenant each: who waits longest
FRESH_S = 0.2  # two who ask at once get one look


class LagGauges:
    """A source of `Counters`, for several threads. `read` takes a look; what it raises ages what was seen last.

    Until the first look succeeds there is nothing to age: then it raises.
    """

    def __init__(self, read: Callable[[], GroupLag], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._lock = threading.Lock()
        self._last: GroupLag | None = None
        self._read_at = 0.0

    def __call__(self) -> Iterable[Sample]:
        with self._lock:
            if self._last is None or self._clock() - self._read_at > FRESH_S:
                self._look()
            age_s = self._clock() - self._read_at
            return list(samples(self._last.aged(age_s), age_s)) if self._last is not None else []

    def _look(self) -> None:
        try:
            asked_at = self._clock()
            self._last = self._read()
            self._read_at = asked_at
        except Exception:
            if self._last is None:
                raise


def samples(lag: GroupLag, read_age_s: float) -> Iterator[Sample]:
    """Every partition has its series, also at 0: what is not there cannot be told from what is not asked."""
    group = {"group": lag.group}
    yield Sample("consumer_members", lag.members, group)
    yield Sample("consumer_lag_read_age_seconds", read_age_s if read_age_s > FRESH_S else 0.0, group)
    for one in lag.partitions:
        place = {**group, "topic": one.topic, "partition": str(one.partition)}
        yield Sample("consumer_lag_records", one.records, place)
        yield Sample("consumer_lag_parked_records", one.parked, place)
        yield Sample("consumer_lag_seconds", one.waiting_s or 0.0, {**place, "state": "waiting"})
        yield Sample("consumer_lag_seconds", one.parked_s or 0.0, {**place, "state": "parked"})
    for tenant in lag.tenants[:TENANTS]:
        who = {**group, "tenant": tenant.tenant, "class": tenant.service_class}
        yield Sample("consumer_lag_tenant_records", tenant.records, who)
        yield Sample("consumer_lag_tenant_seconds", tenant.oldest_s, who)
    for stands in lag.standing:
        number = "" if stands.partition is None else str(stands.partition)
        place = {**group, "topic": stands.topic or "", "partition": number}
        yield Sample("consumer_standing_seconds", stands.for_s, {**place, "cause": stands.cause.value})
