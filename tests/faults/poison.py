"""Poison among healthy events: their order, the wait of the others beside it, and the speed of the replay."""

from __future__ import annotations

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, FloodRule, Poison, RuntimeSettings, desk
from outbox.consumer.desk import Told
from outbox.event import ReceivedEvent
from tests.integration.consumer_rig import Rig, connect_to, eventually

SHARE = 0.05
EACH = 10  # events of a key
SETTINGS = replace(RuntimeSettings(), flood=FloodRule(ratio=1.0, consecutive=1_000_000))


@dataclass(frozen=True, slots=True)
class PoisonReport:
    """`p99_ms`: from sending to handling, of healthy keys; `ratio`: with poison beside them to without."""

    events: int
    parked: int
    violations: int
    lost: int
    doubled: int
    p99_ms_without: float
    p99_ms_with: float
    ratio: float
    replayed_per_s: float

    def found(self) -> bool:
        return bool(self.violations or self.lost or self.doubled) or self.ratio > 1.2 or self.replayed_per_s < 5_000

    def to_json(self) -> dict[str, object]:
        return asdict(self)


class Handled:
    """A handler that refuses the chosen events and notes when it saw the others."""

    def __init__(self, poison: set[tuple[str, int]]) -> None:
        self.poison, self.at = poison, dict[tuple[str, int], float]()

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        places = [(event.event.aggregate_id, event.event.aggregate_version) for event in events]
        for index, place in enumerate(places):
            if place in self.poison:
                raise Poison(index, "chosen")
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO effects_seen (key, number) VALUES (%s, %s)", places)
        now = time.monotonic()
        self.at.update(dict.fromkeys(places, now))
        return [Disposition.APPLIED] * len(events)


def run_poison(rig: Rig, *, rate: int, seconds: float, rounds: int = 5) -> PoisonReport:
    """`rounds` times a stretch without poison and one with it, on one runtime; then all that was parked is replayed."""
    handled = Handled(set())
    running = rig.runtime(handled, settings=SETTINGS)
    eventually(lambda: len(rig.positions()) > 0)
    without, beside = [], []
    for number in range(rounds):
        without.append(_stretch(rig, handled, f"a{number}", rate, seconds, share=0.0))
        beside.append(_stretch(rig, handled, f"b{number}", rate, seconds, share=SHARE))
    parked = rig.sql("SELECT count(*) FROM quarantine WHERE resolved_at IS NULL")[0][0]
    took_s = _replay_all(rig, handled)
    running.stop()
    return _report(rig, parked, statistics.median(without), statistics.median(beside), parked / took_s)


def _stretch(rig: Rig, handled: Handled, name: str, rate: int, seconds: float, *, share: float) -> float:
    """The 99th percentile of the wait of healthy keys, in seconds."""
    rng, total = random.Random(name), int(rate * seconds)
    keys = [f"{name}-{number}" for number in range(total // EACH)]
    places = [(key, number) for number in range(1, EACH + 1) for key in keys]
    poison = {place for place in places if rng.random() < share}
    handled.poison |= poison
    poisoned = {key for key, _ in poison}
    sent: dict[tuple[str, int], float] = {}
    start = time.monotonic()
    for count, place in enumerate(places):
        while time.monotonic() < start + count / rate:
            time.sleep(0.001)
        rig.send(*place)
        sent[place] = time.monotonic()
    rig.producer.flush(10.0)
    eventually(rig.caught_up, rig.positions)
    waits = sorted(handled.at[place] - at for place, at in sent.items() if place[0] not in poisoned)
    return waits[int(0.99 * len(waits))]


def _replay_all(rig: Rig, handled: Handled) -> float:
    """Seconds from the request to the last parked event's end."""
    handled.poison.clear()
    start = time.monotonic()
    with connect_to(rig.dsn) as connection:
        for entry in desk.entries(connection, heads=True, limit=1_000_000):
            desk.request_replay(connection, entry, Told("bench", "the chosen are welcome now"))
    asked = time.monotonic()
    while rig.sql("SELECT EXISTS (SELECT FROM quarantine WHERE resolved_at IS NULL)")[0][0]:
        assert time.monotonic() - start < 300, "not everything was replayed"
        time.sleep(0.02)
    return time.monotonic() - asked


def _report(rig: Rig, parked: int, without_s: float, with_s: float, per_s: float) -> PoisonReport:
    effects = rig.effects()
    seen: dict[str, list[int]] = defaultdict(list)
    for key, number in effects:
        seen[key].append(number)
    return PoisonReport(
        events=len(rig.sent),
        parked=parked,
        violations=sum(numbers != sorted(numbers) for numbers in seen.values()),
        lost=len(set(rig.sent) - set(effects)),
        doubled=len(effects) - len(set(effects)),
        p99_ms_without=round(1000 * without_s, 1),
        p99_ms_with=round(1000 * with_s, 1),
        ratio=round(with_s / without_s, 3),
        replayed_per_s=round(per_s),
    )
