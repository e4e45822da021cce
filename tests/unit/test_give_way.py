"""What is gone through once more waits while live events do, and goes on when they have caught up."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.consumer.lag.figures import GroupLag, PartitionLag
from outbox.consumer.partitions.standing import Standing, StandingCause
from outbox.consumer.reprocessing.give_way import LOOK_EVERY_S, PAUSE_S, GiveWay, Waits
from strangler.service.reprocess import waiting_s
from tests.support.clock import Clock


class Group:
    """`waits`: what each look finds, the last one for ever."""

    def __init__(self, waits: Sequence[float | None]) -> None:
        self.waits = list(waits)
        self.looks = 0

    def __call__(self) -> float | None:
        self.looks += 1
        return self.waits.pop(0) if len(self.waits) > 1 else self.waits[0]


def opened(waits: Sequence[float | None]) -> tuple[GiveWay, Group, Clock, list[Waits]]:
    group, clock = Group(waits), Clock()
    said: list[Waits] = []
    return GiveWay(group, 10.0, said.append, clock=clock, pause=clock.sleep), group, clock, said


def test_a_group_that_keeps_up_is_looked_at_once_a_second_and_never_waited_for() -> None:
    give_way, group, clock, said = opened([None, 10.0, 3.0])
    for _ in range(100):
        give_way()
    assert group.looks == 1
    clock.now += LOOK_EVERY_S
    give_way()
    assert (group.looks, clock.slept, said, give_way.paused_s) == (2, [], [], 0.0)


def test_it_waits_until_half_of_the_limit_so_that_it_does_not_flap() -> None:
    give_way, _, clock, said = opened([10.1, 9.0, 5.1, 5.0])
    give_way()
    assert clock.slept == [PAUSE_S] * 3
    assert said == [Waits(10.1, 10.0)]
    assert give_way.paused_s == 3 * PAUSE_S


def test_a_long_wait_is_said_again_and_again() -> None:
    give_way, _, clock, said = opened([20.0] * 61 + [None])
    give_way()
    assert len(clock.slept) == 61
    assert len(said) == 4  # at once, and after 10, 20 and 30 s


def lag(*standing: Standing, members: int = 1) -> GroupLag:
    """Of two partitions, whose oldest events have waited 30 and 9 s."""
    partitions = tuple(
        PartitionLag("order", number, 1, True, waited, waited, 0, None, 0, 1, 1.0)
        for number, waited in enumerate((30.0, 9.0))
    )
    return GroupLag("mail", 0.0, members, 0.0, partitions, (), True, standing, ())


def test_what_only_a_person_can_end_and_a_group_without_members_hold_nothing_up() -> None:
    assert waiting_s(lag()) == 30.0
    assert waiting_s(lag(Standing(StandingCause.LANE_STANDS, 30.0, "order", 0, lane=1))) == 30.0
    assert waiting_s(lag(Standing(StandingCause.POSITION_LOST, 30.0, "order", 0))) == 9.0
    assert waiting_s(lag(members=0)) is None
