"""A segment of the judge's soak: its runs of reconcile, what is planted among them, and what has come of it at rest."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from strangler.facts import FINAL, Judgement, Verdict
from strangler.local.system import System
from strangler.plan import Plan
from strangler.reconcile.reasons import Reason
from strangler.reconcile.run import Report, reconcile
from tests.faults.flips import OPEN
from tests.faults.judge_planting import Planting
from tests.faults.judge_plants import Planted, Planter
from tests.faults.judge_report import JudgeReport
from tests.faults.judge_watch import Watch
from tests.support.waiting import comes_true

TIMEOUT_S = 3.0  # of each wait of a run
REST_WITHIN_S = 90.0
AUDIT_EVERY, TAKE_OUT_EVERY = 10, 3
WARM = 8  # orders
PAUSE_S = (0.1, 1.3)  # between two runs, so that the world moves on
DECIDED = "SELECT count(*) >= %s FROM legacy.orders WHERE status <> 'pending'"
HANDED_BACK = "SELECT FROM strangler.hand_back WHERE subject_ref = %s AND step = %s AND state = 'done'"
VERSIONS = "SELECT order_ref, subject_version FROM legacy.orders"
PLACED = 2  # the version of an order that nothing has happened to since


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
            comes_true(lambda: connection.execute(DECIDED, [WARM]).fetchone() == (True,), within_s=REST_WITHIN_S)

    def run(self, number: int, kinds: Sequence[str]) -> None:
        """One run of the judge, and what is planted meanwhile."""
        rng = random.Random(f"{self.seed}:{number}")
        delays = sorted(rng.uniform(0.0, 1.5) for _ in kinds)
        with Planting(self.planter, list(zip(delays, kinds, strict=True))):
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
        """After the traffic: until nobody waits, and an audit says nothing but what is final. Where legacy's own word
        is gone, that is as long as the process lives that could still act.
        """
        with psycopg.connect(self.system.environ["STRANGLER_DSN"], autocommit=True) as connection:
            if not comes_true(lambda: connection.execute(OPEN).fetchone() == (0,), within_s=REST_WITHIN_S):
                self.report.false.append({"what": "orders wait for ever", "open": connection.execute(OPEN).fetchone()})
        for name in ("legacy", "resume"):
            self.system.running[name].terminate()
        audit = self._last_audit()
        self._count(self.report.next_run - 1, audit, is_run=False)
        versions = self._versions()
        self._weigh_said(versions)
        classed = {(one.step, one.subject_ref, one.verdict.value) for one in audit.judgements}
        for lost in self.planter.planted:
            self._weigh_one(
                lost, classed, made_up=versions.get(lost.order_ref, PLACED) > PLACED or self._handed_back(lost)
            )

    def _last_audit(self) -> Report:
        """The first that leaves nothing open, or the one that had no time to."""
        audits: list[Report] = []

        def nothing_is_open() -> bool:
            audits.append(self._reconcile(self.plan, everything=True, timeout_s=30.0))
            return not _unsettled(audits[-1])

        comes_true(nothing_is_open, within_s=REST_WITHIN_S)
        return audits[-1]

    def break_off(self) -> None:
        """What was said is weighed; of what was planted only what has been found, for the rest had no time."""
        self.report.interrupted = True
        self._weigh_said(self._versions())
        said = {(one.step, one.subject_ref, one.verdict.value) for _, one in self.said}
        found = [lost for lost in self.planter.planted if (lost.step, lost.order_ref, lost.verdict) in said]
        self.report.planted, self.report.found = [lost.to_json() for lost in found], len(found)

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

    def _versions(self) -> dict[str, int]:
        with psycopg.connect(self.system.environ["STRANGLER_DSN"]) as connection:
            return dict(connection.execute(VERSIONS).fetchall())

    def _weigh_said(self, versions: Mapping[str, int]) -> None:
        """What was said against what was planted, and against the orders that there are."""
        planted = {(one.step, one.order_ref): one for one in self.planter.planted}
        unplanted: dict[tuple[object, ...], dict[str, Any]] = {}
        for number, one in self.said:
            if (one.step, one.subject_ref) in planted:
                continue
            if one.verdict is Verdict.ORPHAN and one.number >= 100 * (versions.get(one.subject_ref, 0) + 1):
                self.report.orphans += 1  # legacy called, and was rolled back: its own disease, and so
                continue
            key = (one.step, one.subject_ref, one.number, one.verdict)
            unplanted.setdefault(key, {"run": number, **_plain(one), "version": versions.get(one.subject_ref)})
        self.report.false += unplanted.values()

    def _handed_back(self, lost: Planted) -> bool:
        """Without its claim an order looks unstarted to a hand-back, and legacy makes up for what it lost."""
        with psycopg.connect(self.system.environ["STRANGLER_DSN"]) as connection:
            return connection.execute(HANDED_BACK, [lost.order_ref, lost.step]).fetchone() is not None

    def _weigh_one(self, lost: Planted, classed: set[tuple[str, str, str]], *, made_up: bool) -> None:
        self.report.planted.append(lost.to_json())
        if (lost.step, lost.order_ref, lost.verdict) in classed:
            self.report.found += 1
        elif made_up:
            self.report.changed.append(lost.to_json())
        else:
            said = [{"run": number, **_plain(one)} for number, one in self.said if one.subject_ref == lost.order_ref]
            self.report.missed.append({**lost.to_json(), "said": said})


def _unsettled(audit: Report) -> int:
    return sum(counts[Verdict.LATE] + counts[Verdict.UNKNOWN] for counts in audit.counts.values())


def _plain(one: Judgement) -> dict[str, Any]:
    names = ("step", "subject_ref", "number", "owner", "verdict", "reason", "evidence")
    return {name: getattr(one, name) for name in names}
