"""Who works for others waits, or slows down, while those are behind, and goes on when they have caught up."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from outbox.consumer.downstream import Downstream
from outbox.consumer.give_way import LOOK_EVERY_S, PAUSE_S, GiveWay, Waits
from outbox.consumer.lag.figures import GroupLag, PartitionLag
from outbox.consumer.lag.read import Looked
from outbox.consumer.lag.scan import Waiting
from outbox.consumer.lag.stored import StoredPosition
from outbox.consumer.partitions.standing import Standing, StandingCause
from outbox.consumer.report import Report
from outbox.consumer.retry.budget import RetryBudget
from outbox.consumer.retry.credits import BudgetRule
from outbox.consumer.retry.retries import Retries
from outbox.consumer.settings import RuntimeSettings
from outbox.kafka.port import TopicPartition
from strangler.service.giving_way import pressed_s
from tests.support.clock import Clock

NOW_S = 1_000.0


class Group:
    """`waits`: what each look finds, the last one for ever."""

    def __init__(self, waits: Sequence[float | None]) -> None:
        self.waits = list(waits)
        self.looks = 0

    def __call__(self) -> float | None:
        self.looks += 1
        return self.waits.pop(0) if len(self.waits) > 1 else self.waits[0]


def opened(waits: Sequence[float | None]) -> tuple[GiveWay, Group, Clock, list[Waits | None]]:
    group, clock = Group(waits), Clock()
    said: list[Waits | None] = []
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
    assert said == [Waits(10.1, 10.0), None]
    assert give_way.paused_s == 3 * PAUSE_S


def test_a_long_wait_is_said_again_and_again_and_its_end_once() -> None:
    give_way, _, clock, said = opened([20.0] * 61 + [None])
    give_way()
    assert len(clock.slept) == 61
    assert said == [Waits(20.0, 10.0)] * 4 + [None]  # at once, and after 10, 20 and 30 s


class Member:
    """Whose admission is the runtime's own; each event takes no time, and waits for nothing but that."""

    def __init__(self, clock: Clock, feeds: Callable[[], float | None]) -> None:
        self.clock, self.counted, self.handled = clock, dict[str, int](), 0
        settings = RuntimeSettings(floor_per_s=2.0)
        report = Report(self._count)
        budget = RetryBudget("g", BudgetRule.of(settings.retry, settings.credit_s))
        self.retries = Retries(settings, budget, report, clock, random.Random(1))
        give_way = GiveWay(feeds, 10.0, lambda _: None, clock=clock, pause=clock.sleep, name="fed")
        self.downstream = Downstream([give_way], settings.floor_per_s, self.retries.hold, report)

    def _count(self, name: str, value: int, **_: str) -> None:
        self.counted[name] = self.counted.get(name, 0) + value

    def takes(self) -> bool:
        """Whether it may take an event now; it does."""
        self.downstream.look()
        if self.retries.admit():
            return False
        self.retries._held.started(self.clock(), self.retries.limit() or 100)
        self.handled += 1
        return True


def test_a_member_is_held_to_its_floor_says_so_and_goes_on_without_a_limit() -> None:
    clock, waits = Clock(), [30.0]
    member = Member(clock, lambda: waits[0])
    for _ in range(80):
        member.takes()
        clock.now += 0.125
    assert 18 <= member.handled <= 22, "ten seconds, two a second"
    assert (member.retries.rate(), member.retries.limit()) == (2.0, 1)
    (standing,) = member.downstream.standing()
    assert (standing.cause, standing.still) == (StandingCause.GIVES_WAY, False)
    assert standing.sentence.startswith(
        "the group gives way to fed, whose live events wait 30 s (limit 10 s): takes 2 "
    )
    assert member.counted == {"consumer_gave_way": 1}
    waits[0] = 4.0
    clock.now += LOOK_EVERY_S
    assert all(member.takes() for _ in range(50))
    assert (member.retries.rate(), member.downstream.standing()) == (None, [])


def test_members_that_feed_each_other_and_are_both_behind_for_ever_both_go_on() -> None:
    clock = Clock()
    both = [Member(clock, lambda: 3_600.0) for _ in range(2)]
    for _ in range(480):
        for member in both:
            member.takes()
        clock.now += 0.125
    assert all(115 <= member.handled <= 125 for member in both), [member.handled for member in both]


def looked(
    *standing: Standing, members: int = 1, waited_s: Sequence[float] = (30.0, 9.0), records: int = 1, lanes: int = 3
) -> Looked:
    """Of as many partitions, in each of which the oldest event waits in lane 1 and a younger one in lane 0."""
    places = [TopicPartition("order", number) for number in range(len(waited_s))]
    partitions = tuple(
        PartitionLag(*place, records, True, waited, waited, 0, None, 0, 1, 1.0)
        for place, waited in zip(places, waited_s, strict=True)
    )
    lag = GroupLag("mail", NOW_S, members, 0.0, partitions, (), True, standing, ())
    waiting = {
        place: [Waiting(number, 1 - number, round((NOW_S - waited + number) * 1000), 0, "", "") for number in range(2)]
        for place, waited in zip(places, waited_s, strict=True)
    }
    return Looked(lag, [StoredPosition(place, (0,) * lanes, ("",), 0.0, 0.0) for place in places], waiting, 0)


def test_what_only_a_person_can_end_and_a_group_without_members_hold_nothing_up() -> None:
    assert pressed_s(looked(), 0, 100.0) == 30.0
    assert pressed_s(looked(Standing(StandingCause.POSITION_LOST, 30.0, "order", 0)), 0, 100.0) == 9.0
    assert pressed_s(looked(members=0), 0, 100.0) is None


def test_a_lane_that_stands_holds_nothing_up_but_most_of_them_do() -> None:
    one = Standing(StandingCause.LANE_STANDS, 30.0, "order", 0, lane=1)
    assert pressed_s(looked(one), 0, 100.0) == 29.0
    assert pressed_s(looked(one, Standing(StandingCause.LANE_STANDS, 9.0, "order", 0, lane=2)), 0, 100.0) == 30.0
    assert pressed_s(looked(one, lanes=1), 0, 100.0) == 30.0


def test_a_queue_waits_for_as_long_as_the_promised_rate_needs_for_it() -> None:
    assert pressed_s(looked(records=2_000), 0, 100.0) == 40.0
    assert pressed_s(looked(waited_s=()), 6_000, 100.0) == 60.0
    assert pressed_s(looked(waited_s=()), 0, 100.0) is None
