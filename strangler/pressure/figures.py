"""From two looks at a context to its pressure, and to the sentence that a business person reads. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType

from outbox.consumer.lag.figures import GroupLag
from outbox.consumer.lag.hot import Hot
from outbox.consumer.partitions.standing import Standing
from strangler.step.intents import Json

ALARM_BELOW = 0.25  # of the retention: what is left of it when a lagging group is in danger
ALMOST_ALL = 0.8  # of the server's connections: the next deploy or peak may not get one
NOTHING_WAITS = 0.5  # below one event: lanes that have nothing of their own follow the frontier with a delay


@dataclass(frozen=True, slots=True)
class LogReading:
    """A context's log at one moment. `end` and `done` are sums of offsets over its partitions, so only their
    differences mean something; `done` is the mean over a partition's lanes, as keys spread over them evenly.
    """

    at_s: float
    end: int
    done: float
    oldest_ms: int | None = None  # when the oldest event that is not done was appended
    kept_s: float | None = None  # how long the topics keep a record, the shortest of them; None = for ever

    @property
    def backlog(self) -> float:
        return max(0.0, self.end - self.done)


@dataclass(frozen=True, slots=True)
class Queued:
    """A context's effects that are not at their end. `limited`: of them, those the vendor last refused as too many;
    `calling`: those a sender holds now.
    """

    waiting: int = 0
    oldest_s: float = 0.0
    unknown: int = 0
    limited: int = 0
    calling: int = 0


@dataclass(frozen=True, slots=True)
class Pressure:
    """Rates are events a second, times are seconds. `drain_s` is None while more comes in than goes out.

    `breach_s`: until the oldest is older than the promise; below 0 it is. None without a promise or without a backlog.
    `headroom_s`: until the topics drop the oldest event that still waits; None where nothing waits or all is kept.
    `standing`: what stands still, at which offset and why. `lag`: the same context in records and seconds, by partition
    and tenant; `outbox lag --json` says it too.
    `losing`: the headroom is down to a quarter of the retention. `saturation`: 0 to 1, by what is used up: `vendor` is
    the share of effects that the vendor limits, `lanes` of the group's lanes that have work waiting (as far as the
    sample shows: a low share of a long backlog is a hot key), `connections` of those its database server has.
    """

    context: str
    backlog: int
    oldest_s: float
    arrival_per_s: float
    service_per_s: float
    drain_s: float | None
    promise_s: float | None
    breach_s: float | None
    effects: Queued
    parked: int
    headroom_s: float | None
    losing: bool
    saturation: Mapping[str, float]
    hot: Sequence[Hot] = field(default=())
    standing: Sequence[Standing] = field(default=())
    lag: GroupLag | None = None
    sentence: str = ""

    def to_json(self) -> dict[str, Json]:
        return asdict(self)


def pressure_of(
    context: str,
    first: LogReading,
    last: LogReading,
    queued: Queued,
    *,
    now_ms: int,
    parked: int = 0,
    promise_s: float | None = None,
    words: str = "",
    lag: GroupLag | None = None,
    saturation: Mapping[str, float] = MappingProxyType({}),
) -> Pressure:
    """Two looks some time apart make rates. `words`: what waits, as the business says it ("orders wait for stock")."""
    seconds = max(last.at_s - first.at_s, 1e-6)
    arrival, service = (last.end - first.end) / seconds, (last.done - first.done) / seconds
    waits = last.backlog >= NOTHING_WAITS
    oldest_s = max(0.0, (now_ms - last.oldest_ms) / 1000) if waits and last.oldest_ms is not None else 0.0
    headroom_s = None if last.kept_s is None or not waits else round(last.kept_s - oldest_s, 1)
    oldest_s = max(oldest_s, queued.oldest_s)
    backlog = round(last.backlog) if waits else 0
    found = Pressure(
        context=context,
        backlog=backlog,
        oldest_s=round(oldest_s, 3),
        arrival_per_s=round(max(0.0, arrival), 1),
        service_per_s=round(max(0.0, service), 1),
        drain_s=drain_s(backlog, arrival, service),
        promise_s=promise_s,
        breach_s=None if promise_s is None or not (backlog or queued.waiting) else round(promise_s - oldest_s, 1),
        effects=queued,
        parked=parked,
        headroom_s=headroom_s,
        losing=headroom_s is not None and headroom_s < ALARM_BELOW * (last.kept_s or 0),
        saturation=({"vendor": round(queued.limited / queued.waiting, 3)} if queued.waiting else {}) | dict(saturation),
        hot=() if lag is None else lag.hot,
        standing=_standing(lag),
        lag=lag,
    )
    return _said(found, words or f"events wait in {context}")


def _standing(lag: GroupLag | None) -> Sequence[Standing]:
    """A context that has not run yet stands for nobody."""
    begun = lag is not None and (lag.seen_s is not None or any(one.next_offset is not None for one in lag.partitions))
    return lag.standing if lag is not None and begun else ()


def drain_s(backlog: int, arrival_per_s: float, service_per_s: float) -> float | None:
    """Seconds until nothing waits, at these rates.

    >>> drain_s(100, 10, 30), drain_s(0, 10, 5), drain_s(1, 10, 10)
    (5.0, 0.0, None)
    """
    if backlog == 0:
        return 0.0
    spare = service_per_s - arrival_per_s
    return round(backlog / spare, 1) if spare > 0 else None


def _said(found: Pressure, words: str) -> Pressure:
    parts = []
    waiting = found.backlog + found.effects.waiting
    if waiting:
        parts.append(f"{waiting} {words}, oldest {spoken_s(found.oldest_s)}")
        if found.promise_s is not None and found.breach_s is not None:
            late = found.breach_s < 0
            when = f"broken {spoken_s(-found.breach_s)} ago" if late else f"breach in {spoken_s(found.breach_s)}"
            parts.append(f"promise {spoken_s(found.promise_s)}, {when}")
        drains = found.drain_s
        if found.backlog:
            parts.append("more comes in than goes out" if drains is None else f"drained in {spoken_s(drains)}")
    else:
        parts.append(f"no {words}")
    if found.losing and found.headroom_s is not None:
        parts.append(
            f"the topic drops the oldest in {spoken_s(max(0.0, found.headroom_s))}: lengthen its retention now"
        )
    parts += [one.sentence for one in found.standing]
    if found.effects.limited:
        parts.append(f"{found.effects.limited} held back by the vendor's limit")
    if unanswered := found.effects.unknown - found.effects.limited:
        parts.append(f"{unanswered} asked of the vendor, its answer not known yet")
    if (taken := found.saturation.get("connections", 0.0)) >= ALMOST_ALL:
        parts.append(f"{taken:.0%} of its database's connections are taken")
    if found.parked:
        parts.append(f"{found.parked} in quarantine, none lost")
    parts += [each.sentence for each in found.hot]
    values = {name: getattr(found, name) for name in found.__slots__}
    return Pressure(**{**values, "sentence": "; ".join(parts)})


def spoken_s(seconds: float) -> str:
    """As one says it.

    >>> spoken_s(0.4), spoken_s(38), spoken_s(600), spoken_s(86_400)
    ('0.4 s', '38 s', '10 min', '24 h')
    """
    for limit, unit, size in ((10, "s", 0), (120, "s", 1), (7_200, "min", 60)):
        if seconds < limit:
            return f"{round(seconds, 1):g} s" if not size else f"{round(seconds / size)} {unit}"
    return f"{round(seconds / 3_600)} h"
