"""Lag held against the truth once a second, while members are paused, killed, join and leave, and the topic changes.

The truth is counted apart from positions: what was sent, with its time of append, and which effects are there. Effects
are read before and after each look, so the true age lies between the two, whatever was committed meanwhile.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from outbox.consumer.lag.figures import GroupLag
from outbox.consumer.lag.read import LagReader
from outbox.consumer.partitions.standing import StandingCause
from outbox.event import Event, SourcePosition, uuid7
from outbox.kafka.codec import to_headers
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from outbox.kafka.python_reader import PythonReader
from strangler.local.stack import Stack
from tests.faults.members import PARTITIONS, Ground, ground
from tests.integration.consumer_rig import connect_to
from tests.support.waiting import comes_true

WITHIN_S, WITHIN_SHARE = 0.5, 0.02
EVERY_S = 1.0
KINDS = ("calm", "paused", "killed", "rebalanced", "dead", "relay_was_away", "topic_changed")
EPISODE_S = 8.0
KEYS = 24
CAUGHT_UP_WITHIN_S = 60.0

Sent = dict[tuple[str, int], int]


@dataclass(slots=True)
class LagReport:
    """`wrong`: looks outside the tolerance. `ghosts`: lag where all was applied. `vanished`: none where there was some.
    `unnamed`: a dead group of which no look said so within 10 s. `worst_s`: the largest error of all.
    """

    samples: int = 0
    worst_s: float = 0.0
    oldest_s: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    events: int = 0
    seconds: float = 0.0

    def found(self) -> bool:
        wrong = self.wrong or self.ghosts or self.vanished or self.unnamed or self.stuck
        return bool(wrong) or not self.samples

    def judge(self, kind: str, seen_s: float | None, least_s: float | None, most_s: float | None) -> None:
        """`least_s` and `most_s` are the true age by the effects after and before the look; None: nothing waits."""
        self.samples += 1
        if seen_s is None:
            if least_s is not None and least_s > WITHIN_S:
                self.vanished.append(f"{kind}: true {least_s:.3f} s")
            return
        self.oldest_s = max(self.oldest_s, seen_s)
        if most_s is None:
            if seen_s > WITHIN_S:
                self.ghosts.append(f"{kind}: {seen_s:.3f} s")
            return
        error_s = max(seen_s - most_s, (least_s or 0.0) - seen_s, 0.0)
        self.worst_s = max(self.worst_s, error_s)
        if error_s > max(WITHIN_S, WITHIN_SHARE * most_s):
            self.wrong.append(f"{kind}: {seen_s:.3f} s, true {least_s} to {most_s} s")

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "kinds": dict(sorted(self.kinds.items()))}


def run_lag(
    stack: Stack, folder: Path, *, seconds: float, seed: int = 1, say: Callable[[str], None] = lambda _: None
) -> LagReport:
    """Episodes of every kind in turn, at least one of each, for so many seconds of wall time."""
    report, began, rng = LagReport(), time.monotonic(), random.Random(seed)
    with ground(stack, f"lag_{seed}", folder) as ground_, closing(Town(ground_, report, rng)) as town:
        ground_.start()
        ground_.start()
        kinds: list[str] = []
        while time.monotonic() - began < seconds or report.kinds.keys() < set(KINDS):
            if not kinds:
                kinds = rng.sample(KINDS, len(KINDS))
            kind = kinds.pop()
            getattr(town, kind)()
            town.settle(kind)
            report.kinds[kind] += 1
            say(f"{kind}: {report.samples} looks, worst {report.worst_s:.3f} s")
        report.events = len(town.sent)
    report.seconds = round(time.monotonic() - began, 1)
    return report


class Town:
    """The load, the looks and the faults; a method of each kind."""

    def __init__(self, ground_: Ground, report: LagReport, rng: random.Random) -> None:
        self._ground, self._report, self._rng = ground_, report, rng
        self._producer = PythonProducer(ground_.bootstrap)
        self._admin, self._reader = PythonAdmin(ground_.bootstrap), PythonReader(ground_.bootstrap)
        self._lag = self._reading()
        self.sent: Sent = {}
        self._numbers: Counter[str] = Counter()
        self._lsn = 0
        self._topics = 0

    def close(self) -> None:
        self._producer.close(5.0)
        self._reader.close()
        self._admin.close()

    def calm(self) -> None:
        self._flow("calm", EPISODE_S)

    def paused(self) -> None:
        """A member is frozen, and wakes up after it was missed."""
        member = self._rng.choice(self._ground.members)
        os.kill(member.pid, signal.SIGSTOP)
        self._flow("paused", EPISODE_S)
        member.wake()

    def killed(self) -> None:
        self._ground.kill(self._rng.choice(self._ground.members))
        self._flow("killed", EPISODE_S)
        self._ground.start()

    def rebalanced(self) -> None:
        joined = self._ground.start()
        self._flow("rebalanced", EPISODE_S / 2)
        self._ground.leave(joined)
        self._flow("rebalanced", EPISODE_S / 2)

    def dead(self) -> None:
        """Nobody is left, by kill or by leave; the group is still seen, and said to have no member."""
        for member in list(self._ground.members):
            (self._ground.kill if self._rng.random() < 0.5 else self._ground.leave)(member)
        lags = self._flow("dead", 10.0)
        if StandingCause.NO_MEMBER not in {one.cause for one in lags[-1].standing} or lags[-1].members:
            self._report.unnamed.append(f"dead: {lags[-1].standing}")
        self._ground.start()
        self._ground.start()

    def relay_was_away(self) -> None:
        """What comes now was appended long ago, and waits a moment."""
        for member in self._ground.members:
            os.kill(member.pid, signal.SIGSTOP)
        self._send(40, age_s=self._rng.uniform(120.0, 3_600.0))
        self._look("relay_was_away")
        for member in self._ground.members:
            member.wake()
        self._flow("relay_was_away", EPISODE_S / 2)

    def topic_changed(self) -> None:
        """The group reads another topic; what is written to the old one afterwards is nobody's."""
        for member in list(self._ground.members):
            self._ground.leave(member)
        left = self._ground.topic
        self._topics += 1
        self._ground.topic = f"{left.rstrip('0123456789')}{self._topics}"
        self._admin.ensure_topics({self._ground.topic: PARTITIONS})
        self._lag = self._reading()
        for number in range(20):
            event = Event("order", f"left-{number}", 1, "OrderPlaced", b"{}", id=uuid7(1_000))
            self._producer.send(left, b"left", b"{}", to_headers(event, None))
        self._producer.flush(10.0)
        self._ground.start()
        self._ground.start()
        self._flow("topic_changed", EPISODE_S)

    def settle(self, kind: str) -> None:
        """All is applied, and that is seen."""
        if not comes_true(lambda: not self._waiting(self.sent), within_s=CAUGHT_UP_WITHIN_S):
            self._report.stuck.append(kind)
        self._look(kind)

    def _reading(self) -> LagReader:
        group, topics = self._ground.group, [self._ground.topic]
        return LagReader(group=group, topics=topics, admin=self._admin, reader=self._reader)

    def _flow(self, kind: str, seconds: float) -> Sequence[GroupLag]:
        """Events all the time, a look once a second."""
        until, look_at = time.monotonic() + seconds, 0.0
        lags: list[GroupLag] = []
        while (now := time.monotonic()) < until or not lags:
            self._send(self._rng.randrange(5))
            if now >= look_at:
                look_at = now + EVERY_S
                lags.append(self._look(kind))
            time.sleep(0.1)  # the pace of the load
        return lags

    def _send(self, count: int, *, age_s: float = 0.0) -> None:
        made: Sent = {}
        for _ in range(count):
            key = f"order-{self._rng.randrange(KEYS)}"
            self._numbers[key] += 1
            self._lsn += 1
            appended_ms = time.time_ns() // 1_000_000 - round(age_s * 1000)
            event = Event("order", key, self._numbers[key], "OrderPlaced", b"{}", id=uuid7(appended_ms))
            headers = to_headers(event, SourcePosition("faults", self._lsn, 0))
            self._producer.send(self._ground.topic, key.encode(), b"{}", headers)
            made[key, self._numbers[key]] = appended_ms
        self._producer.flush(10.0)
        self.sent |= made

    def _look(self, kind: str) -> GroupLag:
        before = self._waiting(self.sent)
        with connect_to(self._ground.dsn) as connection:
            lag = self._lag.read(connection)
        after = self._waiting(before)
        ages = [min(one.values(), default=None) for one in (after, before)]
        least_s, most_s = (None if at is None else max(0.0, lag.at - at / 1000) for at in ages)
        self._report.judge(kind, lag.oldest_s, least_s, most_s)
        return lag

    def _waiting(self, sent: Sent) -> Sent:
        done = {
            (str(key), int(str(number))) for key, number in self._ground.sql("SELECT key, number FROM effects_seen")
        }
        return {event: at for event, at in sent.items() if event not in done}
