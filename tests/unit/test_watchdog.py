"""The watchdog: it finds what is stuck, in time, and is silent about everything that only looks like it."""

from __future__ import annotations

import random
from itertools import pairwise

from outbox.consumer.partitions.watchdog import Patience, Remedy, Stall, Watchdog, WatchedPosition
from outbox.kafka.port import TopicPartition

HOME, OTHER = TopicPartition("order", 0), TopicPartition("order", 1)
LOOK_S = 0.5


class World:
    """Logs with ends, a consumer with positions; looks twice a second and answers every question."""

    def __init__(self, patience: Patience = Patience()) -> None:  # noqa: B008 - frozen
        self.watchdog = Watchdog(patience)
        self.now = 1000.0
        self.positions = {HOME: 0}
        self.ends = {HOME: 0}
        self.asked = 0
        self.fence = 1

    def watch(self, seconds: float) -> list[tuple[float, Stall]]:
        found: list[tuple[float, Stall]] = []
        began = self.now
        while self.now < began + seconds:
            self.now += LOOK_S
            found += [(self.now - began, stall) for stall in self.look()]
        return found

    def look(self) -> list[Stall]:
        at = {one: WatchedPosition(position, self.fence) for one, position in self.positions.items()}
        suspects = self.watchdog.look(self.now, at)
        self.asked += bool(suspects)
        return list(self.watchdog.judge({one: self.ends[one] for one in suspects}))


def test_a_stuck_partition_is_found_within_15_s_with_its_evidence() -> None:
    world = World()
    world.positions, world.ends = {HOME: 7, OTHER: 3}, {HOME: 40, OTHER: 3}
    world.watch(4.0)
    world.ends[HOME] = 55
    ((after_s, stall), *_) = world.watch(11.0)
    assert after_s + 4.0 <= 15.0
    assert (stall.partition, stall.position, stall.end_before, stall.end_now) == (HOME, 7, 40, 55)
    assert stall.behind_s >= Patience().stall_s
    assert stall.remedy is Remedy.RESEEK


def test_a_remedy_that_did_not_help_is_followed_by_rejoins_that_grow_rare() -> None:
    world = World()
    world.ends[HOME] = 40
    found = world.watch(300.0)
    assert [stall.remedy for _, stall in found[:3]] == [Remedy.RESEEK, Remedy.REJOIN, Remedy.REJOIN]
    assert found[1][0] <= 25.0
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(found)]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 60.0


def test_being_read_again_from_the_start_up_to_the_same_place_is_not_being_healed() -> None:
    world = World()
    world.positions, world.ends = {HOME: 7}, {HOME: 40}
    assert [stall.remedy for _, stall in world.watch(10.0)] == [Remedy.RESEEK]
    for position in range(8):
        world.positions[HOME] = position
        world.look()
    assert [stall.remedy for _, stall in world.watch(10.0)] == [Remedy.REJOIN]


def test_after_progress_the_next_stall_begins_gently_again() -> None:
    world = World()
    world.ends[HOME] = 40
    world.watch(10.0)
    world.positions[HOME] = 20
    assert [stall.remedy for _, stall in world.watch(10.0)] == [Remedy.RESEEK]


def test_an_idle_partition_is_no_stall_however_long_and_is_asked_about_rarely() -> None:
    world = World()
    assert world.watch(3600.0) == []
    assert world.asked <= 3600.0 / Patience().probe_s + 1


def test_a_record_that_comes_right_before_the_question_is_no_stall() -> None:
    world = World()
    for _ in range(50):
        assert world.watch(Patience().probe_s - LOOK_S) == []
        world.ends[HOME] += 1
        assert world.watch(LOOK_S) == []
        world.positions[HOME] = world.ends[HOME]


def test_a_partition_that_is_held_back_is_not_watched_and_begins_anew_afterwards() -> None:
    world = World()
    world.ends[HOME] = 40
    world.watch(8.0)
    world.positions = {}
    assert world.watch(600.0) == []
    world.positions = {HOME: 0}
    assert world.watch(Patience().stall_s) == []


def test_a_stopped_process_that_wakes_up_proves_nothing_by_the_time_that_passed() -> None:
    world = World()
    world.watch(4.0)
    world.ends[HOME] = 40
    for _ in range(5):
        world.now += 3600.0
        assert world.look() == []


def test_a_broker_that_did_not_answer_starts_the_proof_again() -> None:
    world = World()
    world.ends[HOME] = 40
    assert world.watch(8.0) == []
    world.watchdog.forget()
    assert world.watch(8.0) == []


def test_a_partition_that_was_taken_over_anew_at_the_same_place_is_watched_anew() -> None:
    world = World()
    world.ends[HOME] = 40
    world.watch(8.0)
    world.fence += 1
    assert world.watch(8.0) == []
    assert world.watch(2.0) != []


def test_a_day_of_bursts_and_quiet_raises_no_alarm() -> None:
    """Each burst is read within 5 s; partitions are paused for minutes at times; a process stops now and then."""
    rng, world = random.Random(11), World()
    everything = [HOME, OTHER]
    world.positions = dict.fromkeys(everything, 0)
    world.ends = dict.fromkeys(everything, 0)
    due: dict[TopicPartition, float] = {}
    held: dict[TopicPartition, tuple[int, float]] = {}
    for _ in range(24 * 3600 * 2):
        world.now += LOOK_S if rng.random() > 1e-4 else rng.uniform(1.0, 120.0)
        for one in everything:
            if rng.random() < 0.01:
                world.ends[one] += rng.randrange(1, 500)
                due.setdefault(one, world.now + rng.uniform(0.0, 5.0))
            if one in held and held[one][1] <= world.now:
                world.positions[one] = held.pop(one)[0]
                due[one] = world.now + rng.uniform(0.0, 5.0)
            elif one in world.positions and rng.random() < 1e-3:
                held[one] = world.positions.pop(one), world.now + rng.uniform(1.0, 300.0)
            if one in world.positions and due.get(one, world.now + 1.0) <= world.now:
                world.positions[one] = world.ends[one]
                del due[one]
        assert world.look() == []


def test_without_the_limit_of_a_step_the_sleeper_would_be_taken_for_stuck() -> None:
    world = World(Patience(step_s=1e9))
    world.ends[HOME] = 40
    world.watch(4.0)
    world.now += 100.0
    assert world.watch(3.0)
