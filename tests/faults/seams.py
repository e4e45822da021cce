"""Fault runs of seams: an application's process killed at every named point, by both kinds of application.

`python -m tests.faults seams --seeds 200 --report FILE`. One running system of each kind serves all seeds; each seed
has customers of its own. After each seed something is lost on purpose, and an audit must find it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strangler.errors import StranglerError
from strangler.facts import Judgement
from strangler.local.stack import Stack
from tests.faults.seam_case import case_of
from tests.faults.seam_place import KINDS, Place
from tests.faults.seam_play import Play
from tests.faults.seam_report import SeamReport
from tests.faults.seam_worker import forks

EVERY = 10  # seeds, to an audit of both places
LOSSES = ("dropped_effect", "dropped_claim", "dropped_intent")


@dataclass
class Campaign:
    """`places` by kind; `planted`: the subjects that were spoilt, by kind."""

    places: Mapping[str, Place]
    report: SeamReport
    say: Callable[[str], None]
    planted: dict[str, frozenset[str]] = field(default_factory=lambda: dict.fromkeys(KINDS, frozenset()))

    def seed(self, seed: int) -> None:
        case, begun = case_of(seed), time.monotonic()
        play = Play(self.places[case.kind], case, self.planted[case.kind])
        try:
            self.report.add(play.run())
        except (AssertionError, RuntimeError, StranglerError) as error:
            self.report.unsettled.append(f"{play.name}: {type(error).__name__}: {error}")
            self.report.seeds, self.report.next_seed = self.report.seeds + 1, seed + 1
        self.report.seconds += time.monotonic() - begun
        met = "killed" if play.report.stopped else "passed by"
        self.say(f"{play.name}: {met}, {time.monotonic() - begun:.1f} s")
        found = play.report
        for each in (*found.lost, *found.doubled, *found.wrong, *found.unsettled):
            self.say(f"  {each}")

    def audit(self, seed: int, *, both: bool) -> None:
        """Something is lost, and everything at its place is judged anew: what was said of others stands. `both`: at the
        other place too.
        """
        begun, lost = time.monotonic(), self._lose(seed)
        for kind in KINDS if both or lost is None else (lost["place"],):
            play = Play(self.places[kind], case_of(seed), self.planted[kind])
            judged = play.judge("in an audit", everything=True)
            self.report.add(play.report)
            if lost is not None and kind == lost["place"]:
                self._find(lost, judged.judgements)
        self.report.seconds += time.monotonic() - begun
        report = self.report
        if both:
            planted = f"{len(report.planted)} planted, {len(report.missed)} missed"
            self.say(f"{report.seeds} seeds in {report.seconds:.0f} s, {planted}; {report.problems() or 'no problem'}")

    def _lose(self, seed: int) -> dict[str, Any] | None:
        """At the seed's place, kinds in turn; elsewhere where it has nothing yet that could be lost."""
        here = case_of(seed).kind
        for place in (here, *(one for one in KINDS if one != here)):
            for turn in range(len(LOSSES)):
                planted = self.places[place].plant(LOSSES[(seed + turn) % len(LOSSES)], seed)
                if planted is not None:
                    self.planted[place] |= {planted["subject_ref"]}
                    self.report.planted.append({"seed": seed, "place": place, **planted})
                    return self.report.planted[-1]
        self.say(f"seed {seed}: nothing is there yet that could be lost")
        return None

    def _find(self, lost: Mapping[str, Any], judgements: Sequence[Judgement]) -> None:
        key = lost["subject_ref"], lost["number"]
        found = [one.verdict.value for one in judgements if (one.subject_ref, one.number) == key]
        if found != [lost["expected_verdict"]]:
            self.report.missed.append(f"{lost} was judged {found}")


def run_seams(
    stack: Stack, seeds: Sequence[int], folder: Path, earlier: SeamReport, say: Callable[[str], None]
) -> SeamReport:
    """All seeds, in order, added to `earlier`. Ctrl-C ends it with what has been found so far."""
    folder.mkdir(exist_ok=True)
    report = earlier
    with ExitStack() as opened:
        try:
            forked = forks()
            places = {name: opened.enter_context(Place.open(stack, name, folder / name, forked)) for name in KINDS}
            campaign = Campaign(places, report, say)
            for seed in seeds:
                campaign.seed(seed)
                campaign.audit(seed, both=seed % EVERY == 0 or seed == seeds[-1])
        except KeyboardInterrupt:
            report.interrupted = True
            say(f"interrupted; go on with --from {report.next_seed}")
    return report
