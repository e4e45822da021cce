"""A soak of the judge: reconcile again and again while orders wait, stages move, processes die and losses are planted.

`python -m tests.faults judge --runs 300 --seed S --report FILE`. Runs are played in segments, each on a database of its
own: a judge looks at all orders each time. At a segment's end all comes to rest, and each planted loss must be found.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from strangler.local.stack import Stack
from strangler.local.system import System, in_order
from strangler.plan import Plan, load_plan
from tests.faults.judge_plants import EVERY, Planter
from tests.faults.judge_report import JudgeReport
from tests.faults.judge_segment import Segment
from tests.faults.judge_trouble import Replay, Trouble

PLAN = Path(__file__).resolve().parents[2] / "legacy_app" / "plan" / "plan.py"
SEGMENT = 50
FIRST_PLANT = 0.25  # of a segment: before that there are few orders of which anything can be lost


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
        if report.interrupted:
            say(f"interrupted; go on with --from {report.next_run}")
            break
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
    dsn = stack.database(name, plan)
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
            try:
                for number in numbers:
                    segment.run(number, planned.get(number, ()))
            except KeyboardInterrupt:
                segment.break_off()
        if not segment.report.interrupted:
            replay.settle()
            trouble.settle()
            segment.rest()
        segment.report.flips, segment.report.kills, segment.report.orders = trouble.flips, trouble.kills, replay.orders
        return segment.report
    finally:
        system.stop()
        stack.databases.drop(name)
