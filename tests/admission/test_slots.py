"""Who gets a slot, who waits and who is refused: each rule by itself, and the traps that a simulation has shown."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from strangler.admission.slots import MOST_WAITERS, ClassSlots
from strangler.admission.work import Clause, Grant, Refusal, Settled, Waits, Work
from strangler.admission.work_class import WorkClass

TOP, MIDDLE, LOW = range(3)
CLASSES = (
    WorkClass("top", deadline_s=1.0),
    WorkClass("middle", deadline_s=1.0),
    WorkClass("low", deadline_s=1.0, floor=0.1),
)


def slots(limit: int = 2, classes: Sequence[WorkClass] = CLASSES) -> ClassSlots:
    return ClassSlots(classes, limit, lambda: 0.5, 0.0)


def work(rank: int = MIDDLE, tenant: str = "", *, until: float = 1e9, key: str = "") -> Work:
    return Work(rank, tenant, until, key)


def filled(rule: ClassSlots, rank: int = MIDDLE, at: float = 0.0) -> list[Grant]:
    """Every slot that the class may have is taken."""
    grants = []
    while isinstance(said := rule.admit(at, work(rank)), Grant):
        grants.append(said)
    if isinstance(said, Waits):
        rule.queues[rank].push_out()
    return grants


def test_a_free_slot_is_given_at_once_and_never_more_than_there_are() -> None:
    rule = slots(3)
    assert len(filled(rule)) == 3
    assert rule.drain.in_flight == 3


def test_what_is_past_its_deadline_is_refused_though_slots_are_free() -> None:
    assert slots().admit(5.0, work(until=5.0)) == Refusal(Clause.DEADLINE)


def test_a_free_slot_is_given_however_long_service_has_taken() -> None:
    """After a hang the known service time was beyond the deadline, and all was refused for ever."""
    rule = slots()
    held = rule.admit(0.0, work())
    assert isinstance(held, Grant)
    rule.release(held, 4.0, served=True)
    assert rule.drain.service_s > 3.0
    assert isinstance(rule.admit(4.0, work(until=5.0)), Grant)


def test_a_slot_that_comes_free_goes_to_the_highest_class_that_waits() -> None:
    rule = slots()
    first, _ = filled(rule)
    low, top = work(LOW), work(TOP)
    assert isinstance(rule.admit(0.0, low), Waits | Refusal)
    assert isinstance(rule.admit(0.0, top), Waits)
    assert [(one.work, type(one.said)) for one in rule.release(first, 0.01, served=True)] == [(top, Grant)]


def test_who_comes_goes_behind_who_waits_in_its_class_or_above() -> None:
    rule = slots(9)
    grants = filled(rule, TOP)
    assert isinstance(rule.admit(0.0, work(TOP)), Waits)
    rule.drain.in_flight -= 1  # a slot comes free, and nobody has been told yet
    assert not isinstance(rule.admit(0.0, work(MIDDLE)), Grant)
    assert not isinstance(rule.admit(0.0, work(TOP)), Grant)
    assert len(grants) == 9


def test_the_last_slot_is_kept_for_the_first_class() -> None:
    rule = slots(10)
    assert len(filled(rule, MIDDLE)) == 9
    assert isinstance(rule.admit(0.0, work(TOP)), Grant)
    assert not isinstance(rule.admit(0.0, work(TOP)), Grant)


def test_slots_that_the_first_class_uses_count_for_what_is_kept() -> None:
    rule = slots(10)
    assert isinstance(rule.admit(0.0, work(TOP)), Grant)
    assert len(filled(rule, MIDDLE)) == 9


def test_what_would_wait_too_long_is_refused_before_it_waits() -> None:
    rule = slots()
    filled(rule)
    said = [rule.admit(0.0, work()) for _ in range(20)]
    assert Refusal(Clause.SHARE) in said
    assert rule.queues[MIDDLE].waiting < 20


def test_a_floor_earns_its_class_a_slot_while_a_class_above_waits() -> None:
    rule = slots()
    first, second = filled(rule)
    rule.tick(0.5)  # 0.1 of two slots that each take 0.1 s, and of what is in flight since
    rule.queues[LOW].credit = 1.0
    low, top = work(LOW), work(TOP)
    assert rule.admit(0.5, low) == Waits()
    assert isinstance(rule.admit(0.5, top), Waits)
    (settled,) = rule.release(first, 0.6, served=True)
    assert settled.work is low
    assert isinstance(settled.said, Grant)
    assert settled.said.by_floor
    assert [one.work for one in rule.release(second, 0.6, served=True)] == [top]


def test_fresh_work_does_not_take_what_a_floor_has_earned_for_promised_returns() -> None:
    rule = slots()
    filled(rule, TOP)
    rule.tick(0.05)
    for one in (TOP, MIDDLE):
        rule.queues[one].per_s = 1e6  # the classes above leave nothing
    rule.queues[LOW].credit, rule.promises[LOW].owed = 1.0, 5.0
    assert isinstance(rule.admit(0.05, work(LOW)), Refusal)
    rule.promises[LOW]._due["back"] = 0.0
    assert rule.admit(0.05, work(LOW, key="back")) == Waits()


def test_who_returns_as_told_goes_before_fresh_work_of_its_class_once() -> None:
    rule = slots()
    first, second = filled(rule)
    fresh, back = work(), work(key="back")
    assert isinstance(rule.admit(0.0, fresh), Waits)
    rule.promises[MIDDLE]._due["back"] = 0.0
    assert isinstance(rule.admit(0.0, back), Waits)
    assert [one.work for one in rule.release(first, 0.01, served=True)] == [back]
    assert [one.work for one in rule.release(second, 0.01, served=True)] == [fresh]
    assert not rule.promises[MIDDLE].redeem("back", 0.01)


def test_nobody_is_refused_who_has_just_seen_a_lower_class_served() -> None:
    rule = slots()
    filled(rule, LOW)
    said = [rule.admit(0.01, work(MIDDLE)) for _ in range(MOST_WAITERS)]
    assert set(said) == {Waits()}
    assert isinstance(rule.admit(0.01, work(MIDDLE)), Refusal), "there must be an end to it"


def test_of_a_class_the_tenant_with_the_fewest_in_flight_is_next() -> None:
    rule = slots(4)
    grants = [rule.admit(0.0, work(tenant=tenant)) for tenant in ("loud", "loud", "loud", "quiet")]
    loud, quiet = work(tenant="loud"), work(tenant="quiet")
    assert [type(rule.admit(0.0, one)) for one in (loud, quiet)] == [Waits, Waits]
    assert isinstance(grants[0], Grant)
    assert [one.work for one in rule.release(grants[0], 0.01, served=True)] == [quiet]


def test_what_one_tenant_was_promised_does_not_go_before_anothers_share() -> None:
    rule = slots(4)
    grants = [rule.admit(0.0, work(tenant=tenant)) for tenant in ("loud", "loud", "loud", "quiet")]
    back, quiet = work(tenant="loud", key="back"), work(tenant="quiet")
    rule.promises[MIDDLE]._due["back"] = 0.0
    assert [type(rule.admit(0.0, one)) for one in (back, quiet)] == [Waits, Waits]
    assert isinstance(grants[0], Grant)
    assert [one.work for one in rule.release(grants[0], 0.01, served=True)] == [quiet]


def test_a_tenants_flood_makes_way_for_anothers_request() -> None:
    rule = slots()
    filled(rule)
    flood = [one for one in (work(tenant="loud") for _ in range(50)) if isinstance(rule.admit(0.0, one), Waits)]
    assert flood
    said = rule.admit(0.0, work(tenant="quiet"))
    assert isinstance(said, Waits)
    assert said.instead_of is None or said.instead_of.work is flood[-1]
    assert rule.queues[MIDDLE].waiting <= len(flood) + 1


def test_what_has_waited_too_long_is_told_so_by_the_clock() -> None:
    rule = slots(20)
    filled(rule)
    waiting = work()
    assert isinstance(rule.admit(0.0, waiting), Waits)
    assert rule.tick(0.001) == []
    assert rule.tick(10.0) == [Settled(waiting, Refusal(Clause.WAITED))]


def test_in_a_stall_nobody_waits_beyond_its_deadline() -> None:
    rule = slots()
    filled(rule)
    waiting = work(until=0.5)
    assert isinstance(rule.admit(0.0, waiting), Waits)
    assert rule.tick(0.4) == []
    assert rule.tick(0.5) == [Settled(waiting, Refusal(Clause.DEADLINE))]


def test_who_is_past_its_deadline_when_its_turn_comes_gets_no_slot() -> None:
    rule = slots()
    first, _ = filled(rule)
    late, next_one = work(until=0.2), work()
    assert [type(rule.admit(0.0, one)) for one in (late, next_one)] == [Waits, Waits]
    assert [(one.work, type(one.said)) for one in rule.release(first, 0.2, served=True)] == [
        (late, Refusal),
        (next_one, Grant),
    ]


def test_who_leaves_is_not_served() -> None:
    rule = slots()
    first, _ = filled(rule)
    gone = work()
    assert isinstance(rule.admit(0.0, gone), Waits)
    assert (rule.leave(gone), rule.leave(gone)) == (True, False)
    assert rule.release(first, 0.01, served=True) == []


def test_a_tenants_quota_is_its_own_and_says_when_there_is_more() -> None:
    rule = slots(100, [WorkClass("only", deadline_s=1.0, quota_per_s=2.0)])
    said = [rule.admit(0.0, work(0, "loud")) for _ in range(3)]
    assert [type(one) for one in said] == [Grant, Grant, Refusal]
    assert said[2] == Refusal(Clause.QUOTA, 1)
    assert isinstance(rule.admit(0.0, work(0, "quiet")), Grant)
    assert isinstance(rule.admit(0.5, work(0, "loud")), Grant)


def test_a_stall_is_seen_before_anything_has_ended() -> None:
    rule = slots()
    filled(rule)
    assert rule.drain.per_s(0.0, 2) > 10 * rule.drain.per_s(5.0, 2)


def test_a_call_that_failed_says_nothing_of_how_long_service_takes() -> None:
    rule = slots()
    held = rule.admit(0.0, work())
    assert isinstance(held, Grant)
    before = rule.drain.service_s
    rule.release(held, 30.0, served=False)
    assert rule.drain.service_s == before


@pytest.mark.parametrize("seed", range(20))
def test_each_is_decided_once_and_the_limit_is_never_passed(seed: int) -> None:
    rng = random.Random(seed)
    rule = ClassSlots(CLASSES, rng.choice((1, 2, 9, 20)), rng.random, 0.0)
    waiting, held, now = set[Work](), list[Grant](), 0.0
    for number in range(3_000):
        now += rng.expovariate(2_000)
        act, settled = rng.random(), list[Settled]()
        if act < 0.6:
            one = work(rng.choice((TOP, MIDDLE, LOW)), rng.choice("abc"), until=now + 0.2, key=f"{number % 700}")
            said = rule.admit(now, one)
            if isinstance(said, Waits):
                waiting.add(one)
                settled = [] if said.instead_of is None else [said.instead_of]
            elif isinstance(said, Grant):
                held.append(said)
        elif act < 0.9 and held:
            settled = rule.release(held.pop(rng.randrange(len(held))), now, served=rng.random() < 0.9)
        elif act < 0.92 and waiting:
            gone = rng.choice(sorted(waiting, key=id))
            assert rule.leave(gone)
            waiting.remove(gone)
        else:
            settled = rule.tick(now)
        for who, told in settled:
            waiting.remove(who)
            if isinstance(told, Grant):
                held.append(told)
        assert len(held) == rule.drain.in_flight <= rule.limit
        assert len(waiting) == sum(queue.waiting for queue in rule.queues)
    assert [queue.in_flight for queue in rule.queues] == [
        sum(one.work.rank == rank for one in held) for rank in (TOP, MIDDLE, LOW)
    ]
