"""What is promised of a consumer's lag holds back the class that promised it, for as long as somebody knows the lag."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from outbox.consumer.lag.backlog import backlog_of
from outbox.consumer.lag.stored import StoredPosition
from outbox.consumer.partitions.standing import Standing, StandingCause
from outbox.kafka.port import TopicPartition
from strangler.admission.lag_holds import BELIEVED_S, LagHeard, LagHolds
from strangler.admission.lag_rate import LagRate
from strangler.admission.slots import ClassSlots
from strangler.admission.work import Clause, Grant, Refusal, Work
from strangler.admission.work_class import LagPromise, WorkClass
from tests.admission.scenarios import SCENARIOS

CLASSES = (
    WorkClass("checkout", deadline_s=1.0, lag_promises=(LagPromise("ledger", 20.0),)),
    WorkClass("browse", deadline_s=1.0),
    WorkClass("bulk", deadline_s=1.0, lag_promises=(LagPromise("ledger", 5.0), LagPromise("mail", 5.0))),
)
NOBODY = (0.0, 0.0, 0.0)


def looked(rate: LagRate, *looks: tuple[float, float]) -> list[float]:
    """Backlog and done, a second each."""
    return [rate.look(float(second), *each) for second, each in enumerate(looks)]


def admit(slots: ClassSlots, now: float, rank: int, key: str = "") -> Grant | Refusal:
    said = slots.admit(now, Work(rank, "t", now + 1.0, key))
    assert isinstance(said, Grant | Refusal)
    return said


def clauses(said: Sequence[Grant | Refusal]) -> list[Clause | None]:
    return [one.clause if isinstance(one, Refusal) else None for one in said]


def test_an_event_under_way_at_two_looks_is_no_lag() -> None:
    assert looked(LagRate(5.0), (1, 0), (1, 1), (1, 2), (1, 3)) == [math.inf] * 4


def test_consumers_that_do_nothing_let_nothing_in_once_most_of_the_promise_is_over() -> None:
    said = looked(LagRate(5.0), *[(10.0, 0.0)] * 8)
    assert said[:5] == [math.inf] * 5
    assert set(said[5:]) == {0.0}


def test_a_facade_that_starts_beside_consumers_that_stand_knows_it_too() -> None:
    assert looked(LagRate(5.0), *[(1e6, 1e9)] * 6)[-1] == 0.0


def test_a_position_that_is_set_back_counts_as_no_rate() -> None:
    said = looked(LagRate(5.0), (1_000, 5_000), (1_000, 5_500), (6_000, 600), (5_500, 1_100))
    assert all(each >= 0 for each in said)


def test_the_lower_class_gets_what_the_upper_one_leaves() -> None:
    holds = LagHolds(CLASSES)
    for second in range(6):
        found = holds.heard(LagHeard("ledger", float(second), 400.0, 100.0 * second), (60.0, 0.0, 0.0), 1.0)
    assert found[0] > found[2] + 59
    assert found[2] == pytest.approx(40.0, abs=1.0), "at its aim, what they can do less what checkout gets"
    halves = holds.heard(LagHeard("ledger", 6.0, 400.0, 600.0), (30.0, 0.0, 0.0), 0.5)
    assert halves[2] == pytest.approx(20.0, abs=1.0)


def test_who_has_no_slots_yet_holds_nobody_back_for_a_lag_that_is_none() -> None:
    assert LagHolds(CLASSES).heard(LagHeard("ledger", 0.0, 0.0, 0.0), NOBODY, 0.0) == {0: math.inf, 2: math.inf}


def test_the_worst_promise_counts_as_long_as_it_is_known() -> None:
    holds = LagHolds(CLASSES)
    for second in range(7):
        holds.heard(LagHeard("mail", float(second), 500.0, 0.0), NOBODY, 1.0)
    assert holds.heard(LagHeard("ledger", 7.0, 0.0, 1.0), NOBODY, 1.0)[2] == 0.0
    assert holds.heard(LagHeard("ledger", 6.0 + BELIEVED_S, 0.0, 1.0), NOBODY, 1.0)[2] == math.inf


def test_a_class_that_is_held_back_is_refused_by_lag_and_no_other_class_is() -> None:
    slots = ClassSlots(CLASSES, 20, lambda: 0.5, 0.0)
    slots.hold(2, 0.0, 1.0, 6.0)
    assert clauses([admit(slots, 1.1, rank) for rank in (0, 1, 2)]) == [None, None, Clause.LAG]


def test_as_many_are_let_in_as_are_held_to() -> None:
    slots = ClassSlots(CLASSES, 1_000, lambda: 0.5, 0.0)
    slots.hold(2, 10.0, 0.0, 100.0)
    said = [admit(slots, now / 100, 2) for now in range(1_000)]
    assert clauses(said).count(None) == pytest.approx(100, abs=6)


def test_what_was_not_asked_counts_and_is_owed() -> None:
    slots = ClassSlots(CLASSES, 1_000, lambda: 0.5, 0.0)
    slots.hold(2, 10.0, 0.0, 100.0)
    for _ in range(500):
        slots.take(0.5, Work(2, "t", 9.0))
    assert clauses([admit(slots, at, 2) for at in (0.6, 1.55, 1.8)]) == [Clause.LAG, Clause.LAG, None]


def test_nobody_is_held_back_by_what_nobody_has_read_lately() -> None:
    slots = ClassSlots(CLASSES, 20, lambda: 0.5, 0.0)
    slots.hold(2, 0.0, 1.0, 1.0 + BELIEVED_S)
    assert clauses([admit(slots, at, 2) for at in (5.9, 6.0)]) == [Clause.LAG, None]
    assert [slots.queues[2].pace.holds(at) for at in (5.9, 6.0)] == [True, False]


def test_who_is_promised_a_return_while_held_back_has_it() -> None:
    slots = ClassSlots(CLASSES, 100, lambda: 0.5, 0.0)
    for tick in range(1_000):
        now = tick / 100
        if tick % 100 == 0:
            slots.hold(2, 80.0, now, now + BELIEVED_S)
        said = admit(slots, now, 2, f"k{tick}")
        if isinstance(said, Grant):
            slots.release(said, now + 0.005, served=True)
        slots.tick(now + 0.006)
    slots.hold(2, 80.0, 10.0, 15.0)
    promised = next(
        (at, said.retry_after_s)
        for at in (10.0 + step / 100 for step in range(100))
        if isinstance(said := admit(slots, at, 2, "returns"), Refusal) and said.retry_after_s is not None
    )
    back = promised[0] + promised[1]
    slots.hold(2, 80.0, back - 0.2, back + 5.0)
    assert isinstance(admit(slots, back, 2, "returns"), Grant)


def test_a_backlog_is_of_the_groups_own_topics_and_ends() -> None:
    orders = TopicPartition("orders", 0)
    positions = [
        StoredPosition(orders, (90, 110), ("a",), 0.0, 0.0),
        StoredPosition(TopicPartition("gone", 0), (7,), ("b",), 0.0, 0.0),
    ]
    found = backlog_of(positions, {orders: 120, TopicPartition("orders", 1): 5})
    assert (found.end, found.done, found.waiting) == (125, 100, 25)


def test_what_waits_for_a_person_is_nobodys_backlog() -> None:
    orders, lost = TopicPartition("orders", 0), TopicPartition("orders", 1)
    positions = [
        StoredPosition(orders, (10, 110, 110, 110), ("a",), 0.0, 0.0),
        StoredPosition(lost, (0, 0), ("a",), 0.0, 0.0),
    ]
    ends = {orders: 110, lost: 50}
    stands = Standing(StandingCause.LANE_STANDS, 9.0, *orders, lane=0, offset=10)
    gone = Standing(StandingCause.POSITION_LOST, 9.0, *lost)
    assert backlog_of(positions, ends).waiting == 75
    assert backlog_of(positions, ends, [stands]).waiting == 50
    assert backlog_of(positions, ends, [stands]).done == backlog_of(positions, ends).done, "nothing was worked off"
    assert backlog_of(positions, ends, [stands, gone]).waiting == 0
    half = [replace(stands, lane=lane) for lane in (0, 1)]
    assert backlog_of(positions, ends, [*half, gone]).waiting == 25, "no matter of some keys"


def test_lag_is_kept_by_the_lower_class_first_and_felt_before_a_promise_is_broken() -> None:
    scenario = SCENARIOS["lag"]
    assert scenario.broken(scenario.run(1, 60)) == []
