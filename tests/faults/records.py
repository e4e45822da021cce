"""Fault runs of adversarial records: any bytes, codecs, errors and answers, and a world that changes meanwhile.

`python -m tests.faults records --seeds 200 --report FILE`. Each seed is one process under test on a topic and a schema
of its own. Every tenth seed the process does something wrong on purpose, and the judge must find it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

from strangler.local.stack import Stack
from tests.faults.record_case import Case, case_of
from tests.faults.record_place import Ground
from tests.faults.record_play import Play
from tests.faults.record_process import forks
from tests.faults.record_report import BARS, RecordReport

MOST_S = 3_300.0  # of one run, so that it ends within an hour


def run_records(
    stack: Stack, seeds: Sequence[int], folder: Path, earlier: RecordReport, say: Callable[[str], None]
) -> RecordReport:
    """All seeds, in order, added to `earlier`. Ctrl-C ends it with what has been found so far, as the hour does."""
    folder.mkdir(exist_ok=True)
    report, forked, began = earlier, forks(), time.monotonic()
    try:
        for seed in seeds:
            if time.monotonic() - began > MOST_S:
                report.interrupted = True
                say(f"the hour is over; go on with --from {report.next_seed}")
                break
            found = play(stack, forked, folder, case_of(seed))
            report.add(found)
            tell(found, case_of(seed), say)
    except KeyboardInterrupt:
        report.interrupted = True
        say(f"interrupted; go on with --from {report.next_seed}")
    return report


def play(stack: Stack, forked: ForkServerContext, folder: Path, case: Case) -> RecordReport:
    """One seed's."""
    begun = time.monotonic()
    group = f"r{case.seed}"
    try:
        with Ground.open(stack, forked, folder / group, case, group) as ground:
            found = Play(ground, case).run()
    except (AssertionError, OSError, RuntimeError) as error:
        found = RecordReport(seeds=1, next_seed=case.seed + 1)
        found.failed.append(f"seed {case.seed}: {type(error).__name__}: {error}")
    found.seconds = time.monotonic() - begun
    return found


def tell(found: RecordReport, case: Case, say: Callable[[str], None]) -> None:
    """A line for the seed, and one for each finding."""
    say(f"seed {case.seed} ({case.told}): {dict(found.named)}, {found.seconds:.1f} s")
    for each in (*(one for bar in BARS for one in getattr(found, bar)), *found.missed, *found.failed):
        say(f"  {each}")
