"""Poison among healthy events: their order, the wait of the others beside it, and the speed of the replay.

The wait is from the moment an event is due to be sent, by a schedule that waits for nothing, to the commit of its
transaction. Stretches with poison and without take turns, at the same rate, and the same healthy keys are looked at.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from outbox.consumer import FloodRule, RuntimeSettings
from outbox.consumer.quarantine import quarantine_admin
from outbox.told import Told
from tests.faults.poison_load import Draw, Handled, Place, Sender, sender
from tests.integration.consumer_rig import Rig, connect_to
from tests.support.waiting import wait_until

SETTINGS = replace(RuntimeSettings(), flood=FloodRule(ratio=1.0, consecutive=1_000_000))
RATIO_LIMIT, REPLAY_LEAST_PER_S = 1.2, 5_000
WARM_S = 5.0
REPLAY_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class PoisonReport:
    """`p99_ms_*`: of the healthy keys, a figure per round; `ratio`: the median of the rounds', with to without.

    `measured`: events behind each of these figures. `poisoned`: events that the handler refused; `parked`: those and
    what waited behind them. `late_ms`: the sender's worst delay behind its schedule in each stretch; it
    is part of the waits.
    """

    rate_per_s: int
    events: int
    measured: int
    poisoned: int
    parked: int
    violations: int
    lost: int
    doubled: int
    late_ms: list[float]
    p50_ms_without: list[float]
    p50_ms_with: list[float]
    p99_ms_without: list[float]
    p99_ms_with: list[float]
    ratios: list[float]
    ratio: float
    replayed_per_s: int

    def found(self) -> bool:
        wrong = self.violations or self.lost or self.doubled or not self.poisoned
        return bool(wrong) or self.ratio > RATIO_LIMIT or self.replayed_per_s < REPLAY_LEAST_PER_S

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def run_poison(rig: Rig, bootstrap: str, *, rate: int, seconds: float, rounds: int = 5) -> PoisonReport:
    """`rounds` times a stretch without poison and one with it, on one runtime; then all that was parked is replayed."""
    handled, draw = Handled(), Draw.of(round(rate * seconds))
    running = rig.runtime(handled, settings=SETTINGS, fault_points=handled)
    wait_until(lambda: len(rig.positions()) > 0)
    waits: dict[bool, list[list[float]]] = {False: [], True: []}
    with sender(bootstrap, rig.topic, rate) as source:
        _warm(source, handled)
        for stretch in range(2 * rounds):
            poisonous = stretch % 4 in (1, 2)  # each comes first about as often as second
            places = draw.places(stretch)
            if poisonous:
                handled.poison |= draw.poisoned(stretch)
            waits[poisonous].append(_stretch(rig, source, handled, places, draw.measured(places)))
    parked = rig.sql("SELECT count(*) FROM quarantine WHERE resolved_at IS NULL")[0][0]
    took_s = _replay_all(rig, handled)
    running.stop()
    return _report(rig, source, handled, waits, parked=parked, took_s=took_s)


def _warm(source: Sender, handled: Handled) -> None:
    """The broker compiles as it goes; nothing is measured."""
    places = [(f"warm-{number}", 1) for number in range(round(source.rate * WARM_S))]
    source.send(places)
    _all_handled(handled, places)
    source.late_ms.clear()


def _stretch(rig: Rig, source: Sender, handled: Handled, places: Sequence[Place], measured: list[int]) -> list[float]:
    """The waits of the measured ones, in seconds, ascending."""
    start = source.send(places)
    _all_handled(handled, [places[index] for index in measured])
    wait_until(rig.caught_up, rig.positions)
    return sorted(handled.at[places[index]] - (start + index / source.rate) for index in measured)


def _all_handled(handled: Handled, places: Sequence[Place]) -> None:
    wait_until(lambda: all(place in handled.at for place in places))


def _replay_all(rig: Rig, handled: Handled) -> float:
    """Seconds from the request to the last parked event's end."""
    handled.poison.clear()
    with connect_to(rig.dsn) as connection:
        for entry in quarantine_admin.entries(connection, heads=True, limit=1_000_000):
            quarantine_admin.request_replay(connection, entry, Told("bench", "the chosen are welcome now"))
        asked = time.monotonic()  # nobody hears of it before the commit
    wait_until(  # how often it looks is of no weight: the end is noted at the commit
        lambda: not rig.parked(), lambda: f"{len(rig.parked())} parked", within_s=REPLAY_WITHIN_S, every_s=0.1
    )
    return handled.replayed_at - asked


def _report(
    rig: Rig,
    source: Sender,
    handled: Handled,
    waits: dict[bool, list[list[float]]],
    *,
    parked: int,
    took_s: float,
) -> PoisonReport:
    effects = rig.effects()
    seen: dict[str, list[int]] = defaultdict(list)
    for key, number in effects:
        seen[key].append(number)
    without, beside = (_each(waits[poisonous], 0.99) for poisonous in (False, True))
    ratios = [round(ill / well, 3) for ill, well in zip(beside, without, strict=True)]
    return PoisonReport(
        rate_per_s=source.rate,
        events=len(source.sent),
        measured=len(waits[True][0]),
        poisoned=len(handled.refused),
        parked=parked,
        violations=sum(numbers != sorted(numbers) for numbers in seen.values()),
        lost=len(set(source.sent) - set(effects)),
        doubled=len(effects) - len(set(effects)),
        late_ms=source.late_ms,
        p50_ms_without=_each(waits[False], 0.5),
        p50_ms_with=_each(waits[True], 0.5),
        p99_ms_without=without,
        p99_ms_with=beside,
        ratios=ratios,
        ratio=statistics.median(ratios),
        replayed_per_s=round(parked / took_s),
    )


def _each(stretches: Sequence[Sequence[float]], share: float) -> list[float]:
    """A percentile of each stretch, in milliseconds."""
    return [round(1000 * waits[int(share * len(waits))], 1) for waits in stretches]
