"""A soak of the judge: reconcile again and again while orders wait, stages move, processes die and losses are planted.

`python -m tests.faults judge --runs 300 --seed S --report FILE`. Runs are played in segments, each on a database of its
own: a judge looks at all orders each time. At a segment's end all comes to rest, and each planted loss must be found.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from strangler.facts import FINAL, Judgement, Verdict
from strangler.local.stack import Stack
from strangler.local.system import System, in_order
from strangler.local.waiting import wait_until
from strangler.plan import Plan, load_plan
from strangler.reconcile.reasons import Reason
from strangler.reconcile.run import Report, reconcile
from tests.faults.flips import OPEN
from tests.faults.judge_plants import EVERY, Planted, Planter
from tests.faults.judge_report import JudgeReport
from tests.faults.judge_trouble import Replay, Trouble
from tests.faults.judge_watch import Watch

PLAN = Path(__file__).resolve().parents[2] / "legacy_app" / "plan.py"
SEGMENT = 100
TIMEOUT_S = 3.0  # of each wait of a run
REST_WITHIN_S = 90.0
AUDIT_EVERY, TAKE_OUT_EVERY = 10, 3
FIRST_PLANT = 0.25  # of a segment: before that there are few orders of which anything can be lost

WARM = 8  # orders
PAUSE_S = (0.2, 2.2)  # between two runs, so that the world moves on
DECIDED = "SELECT count(*) >= %s FROM legacy.orders WHERE status <> 'pending'"
VERSIONS = "SELECT order_ref, version + (status = 'rejected')::integer FROM legacy.orders"


@dataclass(slots=True)
class Segment:
    """Runs of one database. `said`: every final finding, and the run that said it."""

    system: System
    plan: Plan
    seed: int
    planter: Planter
    report: JudgeReport = field(default_factory=JudgeReport)
    said: list[tuple[int, Judgement]] = field(default_factory=list)

    def warm(self) -> None:
        """Until the first orders have their end: a consumer's first assignment takes seconds."""
        with psycopg.connect(self.system.environ["STRANGLER_DSN"], autocommit=True) as connection:
            wait_until(lambda: connection.execute(DECIDED, [WARM]).fetchone() == (True,), within_s=REST_WITHIN_S)

    def run(self, number: int, kinds: Sequence[str]) -> None:
        """One run of the judge, and what is planted meanwhile."""
        rng = random.Random(f"{self.seed}:{number}")
        delays = sorted(rng.uniform(0.0, 1.5) for _ in kinds)
        with planting(self.planter, list(zip(delays, kinds, strict=True))):
            watch = Watch(self.system.environ["STRANGLER_DSN"], take_out=number % TAKE_OUT_EVERY == 0)
            try:
                judged = self._reconcile(watch.over(self.plan), everything=number % AUDIT_EVERY == 0)
            finally:
                watch.end()
        time.sleep(rng.uniform(*PAUSE_S))
        self.report.pending_seen += len(watch.pending) + watch.decided_between
        self.report.decided_between += watch.decided_between
        self.report.taken_out += watch.taken_out
        self._count(number, judged)

    def rest(self) -> None:
        """After the traffic: until nobody waits, and an audit says nothing but what is final."""
        with psycopg.connect(self.system.environ["STRANGLER_DSN"], autocommit=True) as connection:
            if not wait_until(lambda: connection.execute(OPEN).fetchone() == (0,), within_s=REST_WITHIN_S):
                self.report.false.append({"what": "orders wait for ever", "open": connection.execute(OPEN).fetchone()})
        deadline = time.monotonic() + REST_WITHIN_S
        audit = self._reconcile(self.plan, everything=True, timeout_s=30.0)
        while time.monotonic() < deadline and _unsettled(audit):
            audit = self._reconcile(self.plan, everything=True, timeout_s=30.0)
        self._count(self.report.next_run - 1, audit, is_run=False)
        self._weigh(audit)

    def _reconcile(self, plan: Plan, *, everything: bool, timeout_s: float = TIMEOUT_S) -> Report:
        return reconcile(plan, self.system.environ, everything=everything, timeout_s=timeout_s)

    def _count(self, number: int, judged: Report, *, is_run: bool = True) -> None:
        self.said += [(number, one) for one in judged.judgements if one.verdict in FINAL]
        looks: Mapping[str, Any] = getattr(judged, "second_looks", {})
        for counts in looks.values():
            self.report.second_looks.update(counts)
        self.report.undecided += sum(
            count for counts in judged.reasons.values() for (_, why), count in counts.items() if why == Reason.UNDECIDED
        )
        if is_run:
            unknown = sum(counts[Verdict.UNKNOWN] for counts in judged.counts.values())
            self.report.unknown_runs += 2 * unknown > sum(counts.total() for counts in judged.counts.values())
            self.report.dismissing_runs += any(counts["missing_dismissed"] for counts in looks.values())
            self.report.runs, self.report.next_run = self.report.runs + 1, number + 1

    def _weigh(self, audit: Report) -> None:
        """What was said against what was planted, and against the orders that there are."""
        with psycopg.connect(self.system.environ["STRANGLER_DSN"]) as connection:
            versions: dict[str, int] = dict(connection.execute(VERSIONS).fetchall())
        planted = {(one.step, one.order_ref): one for one in self.planter.planted}
        unplanted: dict[tuple[object, ...], dict[str, Any]] = {}
        for number, one in self.said:
            if (one.step, one.order_ref) in planted:
                continue
            if one.verdict is Verdict.ORPHAN and one.number >= 100 * (versions.get(one.order_ref, 0) + 1):
                self.report.orphans += 1  # legacy called, and was rolled back: its own disease, and so
                continue
            key = (one.step, one.order_ref, one.number, one.verdict)
            unplanted.setdefault(key, {"run": number, **_plain(one), "version": versions.get(one.order_ref)})
        self.report.false += unplanted.values()
        classed = {(one.step, one.order_ref, one.verdict.value) for one in audit.judgements}
        for lost in self.planter.planted:
            self._weigh_one(lost, classed, versions)

    def _weigh_one(self, lost: Planted, classed: set[tuple[str, str, str]], versions: Mapping[str, int]) -> None:
        self.report.planted.append(lost.to_json())
        if (lost.step, lost.order_ref, lost.verdict) in classed:
            self.report.found += 1
        elif versions.get(lost.order_ref, 1) > 1:
            self.report.changed.append(lost.to_json())
        else:
            said = [{"run": number, **_plain(one)} for number, one in self.said if one.order_ref == lost.order_ref]
            self.report.missed.append({**lost.to_json(), "said": said})


def run_judge(
    stack: Stack, *, runs: int, first: int, seed: int, plants: int, earlier: JudgeReport, say: Callable[[str], None]
) -> JudgeReport:
    """Runs `first` to `runs`, added to `earlier`. Ctrl-C ends it with what has been weighed so far."""
    plan, report = load_plan(PLAN), earlier
    for begin in range(first, runs + 1, SEGMENT):
        numbers = range(begin, min(begin + SEGMENT, runs + 1))
        begun = time.monotonic()
        try:
            segment = play(stack, plan, numbers, seed, schedule(seed, numbers, runs, plants))
        except KeyboardInterrupt:
            report.interrupted = True
            break
        segment.seconds = time.monotonic() - begun
        report.add(segment)
        say(f"runs {begin} to {numbers[-1]}: {segment.found} of {len(segment.planted)} planted found, "
            f"{len(segment.changed)} made up for, {len(segment.missed)} missed, {len(segment.false)} false, "
            f"{segment.decided_between} orders decided between reads, {segment.dismissing_runs} runs dismissed, "
            f"{segment.unknown_runs} unknown, {segment.seconds:.0f} s")  # fmt: skip
    return report


def schedule(seed: int, numbers: range, runs: int, plants: int) -> Mapping[int, Sequence[str]]:
    """What is planted during which run: each segment its share, the kinds in turn. The same for the same seed."""
    rng = random.Random(f"{seed}:plants:{numbers[0]}")
    share = round(plants * numbers[-1] / runs) - round(plants * (numbers[0] - 1) / runs)
    late = numbers[int(len(numbers) * FIRST_PLANT) :]
    turn = round(plants * (numbers[0] - 1) / runs)
    planned: dict[int, list[str]] = {}
    for number in range(share):
        planned.setdefault(rng.choice(late), []).append(EVERY[(turn + number) % len(EVERY)])
    return planned


def play(stack: Stack, plan: Plan, numbers: range, seed: int, planned: Mapping[int, Sequence[str]]) -> JudgeReport:
    """One segment, on a database of its own, with two facade workers."""
    name = f"judge_{seed}_{numbers[0]}"
    dsn = stack.database(name, plan.branches)
    names = {process.name for process in in_order(plan)} - set(plan.projections)  # which no judge reads
    system = System.start(
        stack,
        plan,
        database=dsn,
        topic_prefix=f"{name}.",
        facade_workers=2,
        only=names,
        say=lambda _: None,
        plan_path=PLAN,
    )
    try:
        segment = Segment(system, plan, seed, Planter(system.environ, random.Random(f"{seed}:{name}")))
        trouble, replay = Trouble(system, plan, seed + numbers[0]), Replay(system, seed)
        with trouble, replay:
            segment.warm()
            trouble.begin()
            for number in numbers:
                segment.run(number, planned.get(number, ()))
        trouble.settle()
        segment.rest()
        segment.report.flips, segment.report.kills, segment.report.orders = trouble.flips, trouble.kills, replay.orders
        return segment.report
    finally:
        system.stop()
        stack.databases.drop(name)


class planting:  # noqa: N801 - used as a context
    """Plants each kind after its delay, while the block reads."""

    def __init__(self, planter: Planter, due: Sequence[tuple[float, str]]) -> None:
        self._planter, self._due, self._begun = planter, due, time.monotonic()
        self._thread = threading.Thread(target=self._run, name="planting")
        self._error: Exception | None = None

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            for after_s, kind in self._due:
                time.sleep(max(0.0, self._begun + after_s - time.monotonic()))
                self._planter.plant(kind)
        except Exception as error:  # noqa: BLE001 - a thread's edge: raised at the block's end
            self._error = error


def _unsettled(audit: Report) -> int:
    return sum(counts[Verdict.LATE] + counts[Verdict.UNKNOWN] for counts in audit.counts.values())


def _plain(one: Judgement) -> dict[str, Any]:
    names = ("step", "order_ref", "number", "owner", "verdict", "reason", "evidence")
    return {name: getattr(one, name) for name in names}
