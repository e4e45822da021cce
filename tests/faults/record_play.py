"""Plays one seed: a stream for one process, the world changing meanwhile, its end; then all is mended, and judged."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.faults.record_case import Case, Chunk, Plant
from tests.faults.record_place import Ground
from tests.faults.record_process import Process
from tests.faults.record_report import RecordReport
from tests.faults.record_sent import Move, Record
from tests.faults.record_truth import Truth, truth_of
from tests.faults.record_watch import Watch
from tests.support.waiting import comes_true

REACHES_WITHIN_S = 3.0
SETTLES_WITHIN_S, MENDED_WITHIN_S, LEAVES_QUARANTINE_WITHIN_S = 60.0, 90.0, 60.0
QUIET_S, PATIENT_S = 2.0, 12.0
DEATHS, ROUNDS = 3, 6


@dataclass
class Play:
    """One seed on its ground. `report` is of this seed alone."""

    ground: Ground
    case: Case
    report: RecordReport = field(default_factory=RecordReport)
    watch: Watch = field(init=False)
    deaths: int = 0

    @property
    def name(self) -> str:
        return f"seed {self.case.seed}"

    def run(self) -> RecordReport:
        self._stream()
        self._end()
        if self.case.plant is not Plant.DEAF:  # its group waits for it, and all has been seen
            self._mend()
            self._weigh(truth_of(self.ground.sender.placed, self.ground.effects(), self.ground.discarded()))
        self.report.seeds, self.report.next_seed = 1, self.case.seed + 1
        self._settle_planted()
        return self.report

    def _stream(self) -> None:
        """Everything is sent, and what can be done has been done; one change of process somewhere, unless planted."""
        case, rng = self.case, random.Random(f"play:{self.case.seed}")
        self._start(mended=False)
        ends_at = rng.randrange(2 * len(case.chunks)) if case.plant is None else -1
        for number, chunk in enumerate(case.chunks):
            if number == case.between:
                self._change()
            self._send(chunk)
            self._look()
            if number == ends_at:
                self._end()
                self._start(mended=False)
        self._go_on()
        while not self._settled(QUIET_S) and self.deaths < DEATHS:
            pass

    def _change(self) -> None:
        """At the point, where there is one; partitions are added once all is done that can be done."""
        case = self.case
        if case.point:
            reached = comes_true(lambda: self._process.stopped_at(case.point), within_s=REACHES_WITHIN_S)
            (self.report.stopped if reached else self.report.passed)[case.point] += 1
        if case.adds:
            self._go_on()
            while not self._settled(QUIET_S) and self.deaths < DEATHS:
                pass
            self.ground.leave_out(self.ground.pending())
            self.ground.sender.add_partitions()
            self.report.changes["partitions added"] += 1
        if case.move is not Move.NONE:
            self.report.changes[f"source {case.move}"] += 1

    def _send(self, chunk: Chunk) -> None:
        records: list[Record] = [one for one in chunk.records if one.key not in self.ground.left_out]
        if records:
            self.ground.sender.send(chunk, records)
            self.report.changes[f"transaction {chunk.ending}" if chunk.ending else f"codec {chunk.codec}"] += 1

    def _look(self) -> None:
        """Where it stands still at its point, there is nothing to be seen."""
        if self.case.point and self._process.stopped_at(self.case.point):
            return
        if self._process.ended():
            self._died()
        else:
            self.watch.look()

    def _go_on(self) -> None:
        self._process.go_on()
        self.watch.forget()

    def _settled(self, quiet_s: float) -> bool:
        """False: the process has died meanwhile, and another one is at work."""
        self.watch.settle(SETTLES_WITHIN_S, quiet_s)
        if self._process.ended():
            self._died()
            return False
        return True

    def _died(self) -> None:
        """Whoever runs it starts it again."""
        self.watch.died()
        self.deaths += 1
        mended = self.watch.mended
        self._collect()
        self._start(mended=mended)

    def _start(self, *, mended: bool) -> None:
        self.watch = Watch(self.ground, self.ground.start(mended=mended), self.name, mended)

    @property
    def _process(self) -> Process:
        return self.watch.process

    def _end(self) -> None:
        """By SIGTERM, whatever it is at."""
        if self.watch.died():
            self._collect()
            return
        took_s = self._process.terminate()
        self.report.ended += 1
        self.ground.killed = took_s is None
        if took_s is None:
            self.report.deaf.append(f"{self.name}: SIGTERM, and 10 s later it is there; {self._process.last_words(3)}")
        else:
            self.report.longest_end_s = max(self.report.longest_end_s, round(took_s, 2))
        self._collect()

    def _collect(self) -> None:
        self.report.silent += self.watch.silent
        self.report.named.update(self.watch.named)

    def _mend(self) -> None:
        """A healthy handler, and a person who accepts what a broken source brings; then quarantine is emptied."""
        for _ in range(ROUNDS):
            self.ground.accept(self.watch.broken)
            self._start(mended=True)
            self.watch.settle(MENDED_WITHIN_S, PATIENT_S)
            if self._process.ended() or self.watch.broken:
                self._end()
                continue
            if not self.watch.heads:
                self._empty_quarantine()
            self._end()
            return

    def _empty_quarantine(self) -> None:
        """With the process that runs."""
        if not comes_true(lambda: not self.ground.desk(), within_s=LEAVES_QUARANTINE_WITHIN_S, every_s=0.5):
            self.report.lost.append(f"{self.name}: parked for ever: {self.ground.desk()[:5]}; {self._last()}")

    def _weigh(self, truth: Truth) -> None:
        self.report.records.update(truth.fates)
        for bar in ("lost", "doubled", "inversions"):
            found = [f"{self.name}: {one}" for one in getattr(truth, bar)]
            getattr(self.report, bar).extend(found)
        if self.watch.heads:
            self.report.lost.append(f"{self.name}: stands for ever at {self.watch.heads}; {self._last()}")

    def _last(self) -> str:
        return self._process.last_words(3)

    def _settle_planted(self) -> None:
        """What was planted must have been found; it is no finding then."""
        plant = self.case.plant
        if plant is None:
            return
        bar, found = plant.bar, self.report
        mine = [one for one in getattr(found, bar) if plant.value in one or bar != "silent"]
        setattr(found, bar, [one for one in getattr(found, bar) if one not in mine])
        found.planted.append({"seed": self.case.seed, "what": plant.name, "found": len(mine)})
        if not mine:
            found.missed.append(f"{self.name}: {plant.name}; {self._last()}")
