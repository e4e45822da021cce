"""A consumer killed with -9, or stopped and woken as a zombie, at every named point: each effect is there once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.consumer_rig import Rig
from tests.integration.kafka_rig import rig_on_kafka
from tests.support.waiting import wait_until

POINTS = ("consumer.assigned", "consumer.handled", "consumer.positioned", "consumer.committed")
WITHIN_S = 60.0
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def rig(database: str, bootstrap: str, topic_prefix: str) -> Iterator[Rig]:
    with rig_on_kafka(database, bootstrap, topic_prefix, partitions=2) as rig:
        yield rig


@pytest.fixture
def member_group(rig: Rig, kafka_kind: str) -> Callable[[int], str]:
    """The group that the n-th process joins.

    The embedded Kafka never misses a killed member and would give its partitions to nobody: there each process joins
    a group of its own, as after a restart with a new name, and the fence alone keeps them apart.
    """
    if kafka_kind == "embedded":
        return lambda number: f"{rig.group}.{number}"
    return lambda _: rig.group


@dataclass
class Processes:
    """Consumers over one rig, all gone afterwards."""

    rig: Rig
    bootstrap: str
    member_group: Callable[[int], str]
    folder: Path
    started: int = 0
    open: ExitStack = field(default_factory=ExitStack)

    def start(self, stop_at: str = "") -> tuple[subprocess.Popen[bytes], Path]:
        self.started += 1
        log = self.folder / f"consumer-{self.started}.log"
        environ = {
            **os.environ,
            "STRANGLER_DSN": self.rig.dsn,
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "TOPIC": self.rig.topic,
            "GROUP": self.rig.group,
            "MEMBER_GROUP": self.member_group(self.started),
            "OUTBOX_STOP_AT": stop_at,
        }
        argv = [sys.executable, "-m", "tests.faults.consumer_process"]
        with log.open("wb") as output:
            process = subprocess.Popen(argv, cwd=ROOT, env=environ, stderr=output)
        self.open.callback(process.wait, WITHIN_S)
        self.open.callback(process.kill)
        return process, log

    def start_and_stop_at(self, stop_at: str) -> tuple[subprocess.Popen[bytes], Path]:
        process, log = self.start(stop_at)
        name = stop_at.partition(":")[0]
        wait_until(lambda: f"stopped_at {name}" in log.read_text(), log.read_text, within_s=WITHIN_S)
        return process, log


@pytest.fixture
def processes(rig: Rig, bootstrap: str, member_group: Callable[[int], str], tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(rig, bootstrap, member_group, tmp_path)
    with processes.open:
        yield processes


def arrival_at(point: str, rng: random.Random) -> str:
    """An arrival that surely comes: there are two assignments, and at least ten runs."""
    return f"{point}:{rng.randint(1, 2 if point == 'consumer.assigned' else 8)}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_leaves_every_effect_there_once(rig: Rig, processes: Processes, rng: random.Random, point: str) -> None:
    rig.send_many(keys=12, each=6)
    killed, _ = processes.start_and_stop_at(arrival_at(point, rng))
    killed.kill()
    assert killed.wait(WITHIN_S) == -signal.SIGKILL
    rig.send_many(keys=12, each=2)
    heir, log = processes.start()
    wait_until(rig.all_applied, lambda: (len(rig.effects()), log.read_text()), within_s=WITHIN_S)
    wait_until(rig.caught_up, lambda: (rig.positions(), log.read_text()), within_s=WITHIN_S)
    rig.assert_once_and_in_order()
    heir.terminate()
    assert heir.wait(WITHIN_S) == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", POINTS)
def test_a_zombie_that_wakes_up_doubles_nothing(rig: Rig, processes: Processes, rng: random.Random, point: str) -> None:
    rig.send_many(keys=12, each=6)
    zombie, zombie_log = processes.start_and_stop_at(arrival_at(point, rng))
    heir, log = processes.start()
    wait_until(rig.all_applied, lambda: (len(rig.effects()), log.read_text()), within_s=WITHIN_S)
    zombie.send_signal(signal.SIGCONT)
    rig.send_many(keys=12, each=2)
    wait_until(
        rig.all_applied,
        lambda: (rig.effects(), [each.read_text() for each in (zombie_log, log)]),
        within_s=WITHIN_S,
    )
    for process in (zombie, heir):
        process.terminate()
        assert process.wait(WITHIN_S) == 0, (zombie_log.read_text(), log.read_text())
    rig.assert_once_and_in_order()
