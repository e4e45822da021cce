"""The judge's reads as moves of an interleaving: in their documented order, each at any time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from outbox.kafka.port import TopicPartition
from strangler.contexts import Context
from strangler.facts import FINAL, Fact, Judgement, Verdict
from strangler.plan import Check
from strangler.reconcile.frontier import LaneFrontier, StepFrontier
from strangler.reconcile.judged_step import JudgedStep
from strangler.reconcile.look import Look
from strangler.reconcile.snapshots import LegacySnapshot, NewSnapshot
from strangler.reconcile.step_comparison import Backwards, StepComparison
from strangler.reconcile.subject_evidence import Visibility
from tests.unit.interleaved_world import STEP, World
from tests.unit.judging import DOCUMENT, MAIL, REF

Rule = Callable[["Reading"], list[Judgement]]


@dataclass(slots=True)
class Reading:
    """One run. `legs` are the reads that are still to come, in their order."""

    world: World
    legs: list[Callable[[], None]] = field(default_factory=list)
    legacies: list[LegacySnapshot] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    states: list[Visibility] = field(default_factory=list)
    news: list[NewSnapshot] = field(default_factory=list)
    books: list[Mapping[str, list[Fact]] | None] = field(default_factory=list)
    open_transaction: int = 0

    def __post_init__(self) -> None:
        forwards = [self._end, self._new, self._book]
        self.legs = [self._legacy, *forwards, self._new, self._horizon, self._legacy, *forwards]

    def may_read(self) -> bool:
        """Legacy is read again only when the transaction that was open at the horizon has ended. What is away for a
        moment is so at one frontier, not at two: that no judge could tell from a loss.
        """
        same = self.open_transaction == self.world.transactions
        held = bool(self.open_transaction and self.world.called and same)
        at_second_frontier = self.legs[:2] == [self._new, self._book] and len(self.legs) == 2
        return bool(self.legs) and not held and not (at_second_frontier and self.world.away is not None)

    def read(self) -> None:
        self.legs.pop(0)()

    def look(self, number: int) -> Look:
        """0: the first; 1: at the second frontier."""
        mails = self.world.mails
        rules = replace(MAIL if mails else DOCUMENT)
        check = Check(expected=lambda _: [], ledger=(lambda _: []) if mails else None)
        step = JudgedStep(STEP[mails], Context("c", "g", ("order",)), check, rules)
        lanes = {TopicPartition("t", 0): [LaneFrontier(self.states[2 * number])]}
        new = self.news[2 * number]
        return Look(step, self.legacies[number], StepFrontier({"t": 1}, lanes), new, self.books[number])

    def _legacy(self) -> None:
        self.legacies.append(self.world.legacy())
        self.open_transaction = 0

    def _end(self) -> None:
        self.ends.append(len(self.world.log))

    def _new(self) -> None:
        self.states.append(Visibility.PASSED if self.world.passed >= self.ends[-1] else Visibility.BEHIND)
        self.news.append(self.world.new())

    def _book(self) -> None:
        book = self.world.book()
        self.books.append(None if book is None else {ref: list(facts) for ref, facts in book.items()})

    def _horizon(self) -> None:
        self.open_transaction = self.world.transactions if self.world.called else 0


def as_a_run(reading: Reading) -> list[Judgement]:
    """What a run says, all of it news."""
    hearing = StepComparison(reading.look(0))
    found = [one for judged in hearing.first_look(lambda _: True) for one in judged]
    backwards = Backwards(reading.legacies[1], reading.news[1])
    return [*found, *(one for judged in hearing.second_look(backwards, reading.look(1)) for one in judged)]


def as_at_one_frontier(reading: Reading) -> list[Judgement]:
    """A judge that knows undecided orders, and says missing at its first look."""
    hearing = StepComparison(reading.look(0))
    found = [one for judged in hearing.first_look(lambda _: True) for one in judged]
    return [*found, *(one for judged in hearing.again.values() for one in judged if one.verdict is Verdict.MISSING)]


def as_before(reading: Reading) -> list[Judgement]:
    """As the judge was: no order is undecided, and what the first look calls missing is final."""
    first = reading.look(0)
    legacies = [_blind(legacy) for legacy in reading.legacies]
    hearing = StepComparison(replace(first, legacy=legacies[0]))
    found = [one for judged in hearing.first_look(lambda _: True) for one in judged]
    missing = [one for judged in hearing.again.values() for one in judged if one.verdict is Verdict.MISSING]
    second = hearing.second_look(Backwards(legacies[1], reading.news[1]), None)
    surplus = [one for judged in second for one in judged if one.verdict in FINAL]
    return [*found, *missing, *surplus]


def _blind(legacy: LegacySnapshot) -> LegacySnapshot:
    return replace(legacy, orders={ref: replace(order, undecided=False) for ref, order in legacy.orders.items()})


def findings(judgements: list[Judgement]) -> set[tuple[int, str]]:
    """Final ones that are no match."""
    assert {one.subject_ref for one in judgements} <= {REF}
    return {
        (one.number, one.verdict.value)
        for one in judgements
        if one.verdict in FINAL and one.verdict is not Verdict.MATCH
    }
