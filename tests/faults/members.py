"""Members of one consumer group as processes over one topic and one database, and what their effects say."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import psycopg

from legacy_app.plan.plan import plan as sample
from outbox.errors import OutboxError
from outbox.event import Event, SourcePosition
from outbox.kafka.codec import Headers, to_headers
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from strangler.local.stack import Stack
from tests.faults import consumer_member
from tests.integration.consumer_rig import EFFECTS, connect_to
from tests.support.waiting import wait_until

WITHIN_S = 60.0
PARTITIONS = 4


def forks() -> ForkServerContext:
    """Processes from a server that has imported what a member needs: 0.7 s of CPU less for each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([consumer_member.__name__])
    return context


@dataclass
class Member:
    """A consumer process; it does nothing before it is told."""

    process: ForkServerProcess
    orders: Connection
    log: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def tell(self, **order: object) -> None:
        self.orders.send(order)

    def said(self) -> str:
        return self.log.read_text()

    def stopped_at(self, point: str) -> bool:
        """It said so, and stands still: a moment lies between the two."""
        return f"stopped_at {point}" in self.said() and self._state() == "T"

    def _state(self) -> str:
        """As in `/proc/PID/stat`, T: stopped by a signal; empty for one that is gone."""
        with suppress(FileNotFoundError, ProcessLookupError):
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return ""

    def assigned(self) -> bool:
        return "consumer_assigned" in self.said()

    def kill(self) -> None:
        self.process.kill()
        assert self.ended(WITHIN_S)

    def alive(self) -> bool:
        return self.process.is_alive()

    def ended(self, within_s: float) -> bool:
        """Wait for its end; False if it does not come."""
        self.process.join(within_s)
        if self.process.exitcode is None:
            return False
        self.orders.close()
        return True

    def leave(self) -> None:
        """Stop cleanly; killed if it does not within reason."""
        self.wake()
        self.process.terminate()
        if not self.ended(15.0):
            self.kill()

    def wake(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def last_words(self) -> str:
        return "\n".join(self.said().splitlines()[-8:])

    def rss_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Ground:
    """Topic, group and database of a run; the last number sent of each key, from 1 on; the members at work."""

    dsn: str
    bootstrap: str
    topic: str
    group: str
    folder: Path
    sent: Counter[str] = field(default_factory=Counter)
    members: list[Member] = field(default_factory=list)
    started: int = 0
    lsn: int = 0

    def __post_init__(self) -> None:
        with closing(PythonAdmin(self.bootstrap)) as admin:
            admin.ensure_topics({self.topic: PARTITIONS})
        self._producer = PythonProducer(self.bootstrap)
        self._forks = forks()
        self.sql(EFFECTS.replace("seq bigserial", "seq bigserial PRIMARY KEY"))

    def start(self, **order: object) -> Member:
        """A member begins."""
        log = self.folder / f"member-{self.started}.log"
        log.touch()
        self.started += 1
        environ = {
            "STRANGLER_DSN": self.dsn,
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "TOPIC": self.topic,
            "GROUP": self.group,
        }
        theirs, ours = self._forks.Pipe(duplex=False)
        process = self._forks.Process(target=consumer_member.main, args=(theirs, log, environ), daemon=True)
        process.start()
        theirs.close()
        member = Member(process, ours, log)
        member.tell(**order)
        self.members.append(member)
        return member

    def kill(self, member: Member) -> None:
        self.members.remove(member)
        member.kill()

    def leave(self, member: Member) -> None:
        self.members.remove(member)
        member.leave()

    def send(self, prefix: str, keys: int, each: int) -> None:
        """More events of each key, and the broker has them. After an error all are sent again, as the relay does."""
        records = []
        for _ in range(each):
            for number in range(keys):
                key = f"{prefix}-{number}"
                self.lsn += 1
                self.sent[key] += 1
                event = Event("order", key, self.sent[key], "OrderPlaced", b"{}")
                records.append((key.encode(), to_headers(event, SourcePosition("faults", self.lsn, 0))))
        wait_until(partial(self._sent, records), within_s=WITHIN_S)

    def _sent(self, records: Sequence[tuple[bytes, Headers]]) -> bool:
        try:
            for key, headers in records:
                self._producer.send(self.topic, key, b"{}", headers)
            self._producer.flush(10.0)
        except OutboxError:
            self._producer.close(1.0)
            self._producer = PythonProducer(self.bootstrap)
            return False
        return True

    def applied(self, prefix: str) -> bool:
        """Every event of these keys has left its effect."""
        due = {
            (key, number)
            for key, last in self.sent.items()
            if key.startswith(f"{prefix}-")
            for number in range(1, last + 1)
        }
        with suppress(psycopg.Error):
            rows = self.sql("SELECT key, number FROM effects_seen WHERE key LIKE %s", f"{prefix}-%")
            return due <= {(str(key), int(str(number))) for key, number in rows}
        return False

    def dead(self) -> list[Member]:
        """Members that ended by themselves; they are members no more."""
        gone = [member for member in self.members if not member.alive()]
        self.members = [member for member in self.members if member not in gone]
        for member in gone:
            member.ended(WITHIN_S)
        return gone

    def effects(self) -> list[tuple[str, int]]:
        """In the order of writing."""
        rows = self.sql("SELECT key, number FROM effects_seen ORDER BY seq")
        return [(str(key), int(str(number))) for key, number in rows]

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with connect_to(self.dsn) as connection:
            found = connection.execute(statement, values)
            return found.fetchall() if found.description else []

    def said(self, words: str) -> int:
        """How often all members together logged it."""
        return sum(log.read_text().count(words) for log in self.folder.glob("member-*.log"))

    def close(self) -> None:
        for member in self.members:
            member.kill()
        with suppress(OutboxError):
            self._producer.close(1.0)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counted from the rows themselves, guarded by nothing."""

    lost: int
    duplicated_effects: int
    inversions: int


def tally(sent: Mapping[str, int], effects: list[tuple[str, int]]) -> Tally:
    """`sent`: the last number of each key, from 1 on; `effects` in the order of writing.

    An inversion: an event of a key written after a later one of the key.
    """
    seen = Counter(effects)
    lost = sum(1 for key, last in sent.items() for number in range(1, last + 1) if (key, number) not in seen)
    latest: dict[str, int] = defaultdict(int)
    inversions = 0
    for key, number in effects:
        inversions += number < latest[key]
        latest[key] = max(latest[key], number)
    return Tally(lost, seen.total() - len(seen), inversions)


@contextmanager
def ground(stack: Stack, name: str, folder: Path) -> Iterator[Ground]:
    """A database, topic and group of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    dsn = stack.database(name, sample)
    made = Ground(dsn, stack.bootstrap, f"{name}.order", f"{name}.search", folder)
    try:
        yield made
    finally:
        made.close()
