"""Plays one seed: customers at work, the application killed at its point and started again, judges all the while."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from strangler.facts import Verdict
from strangler.reconcile.run import Report
from tests.faults.seam_case import ASKED, Case
from tests.faults.seam_customers import Customers
from tests.faults.seam_place import Place
from tests.faults.seam_report import UNKNOWN_WITHIN_S, SeamReport
from tests.faults.seam_truth import Said, truth_of, weigh
from tests.support.waiting import comes_true

COMES_WITHIN_S = 40.0  # to the point, or to the end of what the customers want
DELAY_S = 3.0  # of a vendor's answer that nobody lives to hear
SHORT_S = 0.5  # of a judge that finds a process stopped: the frontier may stand
CONFIRMED = (Verdict.ACTED.value, Verdict.MATCH.value)  # more is known, and nothing was wrong


@dataclass
class Play:
    """One seed on its place. `planted`: subjects that were spoilt before."""

    place: Place
    case: Case
    planted: frozenset[str]
    report: SeamReport = field(default_factory=SeamReport)
    said: list[Said] = field(default_factory=list)

    @property
    def name(self) -> str:
        case = self.case
        return f"seed {case.seed} ({case.kind} {case.stage}, {case.point}:{case.arrival})"

    def run(self) -> SeamReport:
        place, case = self.place, self.case
        place.move(case.stage)
        self._arm()
        customers = Customers(case, place.url, place.cookies)
        seen = len(place.ledger()) if case.point == ASKED else 0
        customers.begin()
        comes_true(lambda: self._stopped(seen) or customers.done(), within_s=COMES_WITHIN_S)
        self._count(stopped=self._stopped(seen))
        if not customers.done():
            self._kill()
        restarted = time.monotonic()
        if not customers.end():
            self.report.unsettled.append(f"{self.name}: customers wait for ever; {customers.answers}")
        comes_true(lambda: not truth_of(place, case.mark).unfinished, within_s=UNKNOWN_WITHIN_S, every_s=0.1)
        place.age_requests()
        self._settle(restarted)
        self.report.answers.update(customers.statuses())
        truth = truth_of(place, case.mark)
        weigh(truth, self.said, self.name, self.report)
        if customers.created() > len(truth.subjects):
            told = f"{customers.created()} were told that they have one, and there are {len(truth.subjects)}"
            self.report.lost.append(f"{self.name}: {told}; {customers.answers}")
        self.report.seeds, self.report.next_seed = 1, case.seed + 1
        return self.report

    def judge(self, during: str, *, alive: bool = False, everything: bool = False, timeout_s: float = 10.0) -> Report:
        """What a run said is kept. That it says otherwise of earlier seeds is wrong."""
        report = self.place.judge(everything=everything, timeout_s=timeout_s)
        self.report.runs += 1
        for (verdict, reason), number in report.reasons[self.place.kind.step].items():
            if verdict in (Verdict.UNKNOWN, Verdict.LATE):
                self.report.undecided[f"{verdict}, {during}: {reason}"] += number
        for ref, number, name, reason in self.place.final(report):
            if not everything and ref not in self.planted:
                self.said.append(Said(ref, number, Verdict(name), reason, during, alive))
        for change in report.changes:
            if change.subject_ref not in self.planted and (change.before, change.after) != CONFIRMED:
                self.report.wrong.append(f"{self.name}, {during}: {change}")
        return report

    def _arm(self) -> None:
        case = self.case
        if case.point == ASKED:
            self.place.start()
            self.place.turn(delay_s=DELAY_S)
        else:
            self.place.start(f"{case.point}:{case.arrival}")

    def _stopped(self, seen: int) -> bool:
        if self.case.point == ASKED:
            return len(self.place.ledger()) >= seen + self.case.arrival
        assert self.place.worker is not None
        return self.place.worker.stopped_at(self.case.point)

    def _count(self, *, stopped: bool) -> None:
        met = self.report.stopped if stopped else self.report.passed
        met[f"{self.case.kind} {self.case.point}"] += 1
        if stopped:
            self.report.killed_at[f"{self.case.kind} {self.case.stage}"] += 1

    def _kill(self) -> None:
        """Judged while it stands still, where it does, and once it is gone."""
        if self.case.point != ASKED:
            self.judge("while it was stopped", alive=True, timeout_s=SHORT_S)
        self.place.kill()
        self.place.turn()
        if self.case.seed % 2:
            self.judge("when it was gone", timeout_s=SHORT_S)
        self.place.start()

    def _settle(self, restarted: float) -> None:
        """Until nothing is unknown or late; how long that took."""
        step = self.place.kind.step

        def settled() -> bool:
            report = self.judge("after the restart", timeout_s=5.0)
            unknown = report.counts[step][Verdict.UNKNOWN] or report.unknown.get(step)
            if unknown:
                self.report.longest_unknown_s = time.monotonic() - restarted
            return not unknown and not report.counts[step][Verdict.LATE]

        if not comes_true(settled, within_s=UNKNOWN_WITHIN_S, every_s=0.2):
            report = self.judge("too long after the restart")
            shown = [one for one in report.judgements if one.verdict in (Verdict.LATE, Verdict.UNKNOWN)]
            self.report.unsettled.append(f"{self.name}: {report.unknown} {shown[:3]}")
        self.report.longest_settling_s = time.monotonic() - restarted
