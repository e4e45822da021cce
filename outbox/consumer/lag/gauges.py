"""The lag of a group, and what stands, as gauges: read when asked; older where that fails, and said so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from outbox.catalogue import Sample
from outbox.consumer.lag.figures import GroupLag
from outbox.one_look import OneLook

TENANTS = 10  # series of one tenant each: who waits longest
FRESH_S = 0.2  # two who ask at once get one look
LOOK_S = 5.0  # a scrape waits no longer; Prometheus gives it 10 s


class LagGauges:
    """A source of `Counters`, for several threads. `read` takes a look, one at a time; where it fails or takes longer
    than `look_s`, what was seen last has aged.

    Until a first look has succeeded there is nothing to age: then it raises.
    """

    def __init__(
        self, read: Callable[[], GroupLag], clock: Callable[[], float] = time.monotonic, look_s: float = LOOK_S
    ) -> None:
        self._read, self._clock = read, clock
        self._look = OneLook(self._kept, look_s)
        self._seen: tuple[GroupLag, float] | None = None  # and when

    def __call__(self) -> Iterable[Sample]:
        seen = self._seen
        if seen is None or self._clock() - seen[1] > FRESH_S:
            try:
                seen = self._look()
            except Exception:
                seen = self._seen
                if seen is None:
                    raise
        lag, seen_at = seen
        age_s = self._clock() - seen_at
        return list(samples(lag.aged(age_s), age_s))

    def _kept(self) -> tuple[GroupLag, float]:
        asked_at = self._clock()
        seen = self._seen = self._read(), asked_at
        return seen


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
    for (topic, number, cause), for_s in _longest(lag).items():
        place = {**group, "topic": topic, "partition": number}
        yield Sample("consumer_standing_seconds", for_s, {**place, "cause": cause})


def _longest(lag: GroupLag) -> Mapping[tuple[str, str, str], float]:
    """By topic, partition and cause: several lanes may stand, and several members' breakers be open."""
    found: dict[tuple[str, str, str], float] = {}
    for one in lag.standing:
        series = one.topic or "", "" if one.partition is None else str(one.partition), one.cause.value
        found[series] = max(one.for_s, found.get(series, 0.0))
    return found
