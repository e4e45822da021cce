"""Ten times the load a consumer can take, with failing work, for minutes: memory stays, membership stays, order stays.

The capacity is measured first, with all that the runtime does. Growth is all that is added to the member at rest,
before its first event: what its buffers hold when they are full is part of it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from strangler.local.stack import Stack
from tests.faults.members import WITHIN_S, Ground, Member, ground, tally
from tests.support.waiting import comes_true

LIMIT_BYTES = 64 * 1024 * 1024
MEASURE_S, KEYS, TENFOLD = 10.0, 500, 10
LEAST_TIMES = 9.0  # less was no tenfold load, and shows nothing
STEP_S, SAY_EVERY_S = 1.0, 30.0


@dataclass(slots=True)
class OverloadReport:
    """Rates per second; `times` the capacity was offered; `growth_bytes` of resident memory since before the load."""

    asked_s: float
    seconds: float = 0.0
    interrupted: bool = False
    capacity_per_s: float = 0.0
    offered_per_s: float = 0.0
    times: float = 0.0
    sent: int = 0
    applied: int = 0
    rss_start_bytes: int = 0
    rss_max_bytes: int = 0
    growth_bytes: int = 0
    pauses: int = 0
    revoked: int = 0
    stalls: int = 0
    skipped: int = 0
    duplicated_effects: int = 0
    inversions: int = 0
    died: bool = False

    def found(self) -> bool:
        wrong = self.skipped or self.duplicated_effects or self.inversions or self.revoked or self.stalls or self.died
        return bool(wrong) or self.growth_bytes > LIMIT_BYTES or self.times < LEAST_TIMES or not self.pauses

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def run_overload(
    stack: Stack, seconds: float, folder: Path, say: Callable[[str], None], *, measure_s: float = MEASURE_S
) -> OverloadReport:
    """One member, four partitions; every fifth run of it fails. Interrupted, it judges what was until then."""
    report = OverloadReport(seconds)
    with ground(stack, "overload", folder) as ground_:
        member = ground_.start(overload=True)
        comes_true(member.assigned, within_s=WITHIN_S)
        try:
            report.rss_start_bytes = member.rss_bytes()
            report.capacity_per_s = round(_capacity(ground_, measure_s), 1)
            say(f"overload: {report.capacity_per_s:g} events/s is what it can do; {TENFOLD} times that, {seconds:g} s")
            _flood(ground_, member, report, say)
        except KeyboardInterrupt:
            report.interrupted = True
        report.died = not member.alive()
        report.revoked, report.stalls = ground_.said("consumer_revoked"), ground_.said("partition_stalled")
        report.pauses = ground_.said("consumer_paused")
        if not report.died:
            ground_.leave(member)
        _judge(ground_, report)
    return report


def _capacity(ground_: Ground, seconds: float) -> float:
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        ground_.send("load", KEYS, 4)
    return len(ground_.effects()) / (time.monotonic() - began)


def _flood(ground_: Ground, member: Member, report: OverloadReport, say: Callable[[str], None]) -> None:
    began = said = time.monotonic()
    end = began + report.asked_s
    before = ground_.sent.total()
    while (now := time.monotonic()) < end and member.alive():
        ground_.send("load", KEYS, max(1, -(-round(report.capacity_per_s * TENFOLD * STEP_S) // KEYS)))
        rss = member.rss_bytes()
        report.rss_max_bytes = max(rss, report.rss_max_bytes)
        report.growth_bytes = report.rss_max_bytes - report.rss_start_bytes
        report.seconds = round(time.monotonic() - began, 1)
        report.offered_per_s = round((ground_.sent.total() - before) / report.seconds, 1)
        report.times = round(report.offered_per_s / report.capacity_per_s, 1)
        if now - said >= SAY_EVERY_S:
            said = now
            say(f"overload: {report.seconds:.0f} of {report.asked_s:g} s, {report.times:g} times, RSS {rss >> 20} MiB")
        time.sleep(max(0.0, STEP_S - (time.monotonic() - now)))


def _judge(ground_: Ground, report: OverloadReport) -> None:
    """Not all can be done in time; but what is done of a key is its first events, each once, in order."""
    effects = ground_.effects()
    latest: dict[str, int] = defaultdict(int)
    for key, number in effects:
        latest[key] = max(latest[key], number)
    found = tally(latest, effects)
    report.sent, report.applied = ground_.sent.total(), len(effects)
    report.skipped, report.duplicated_effects, report.inversions = (
        found.lost,
        found.duplicated_effects,
        found.inversions,
    )
