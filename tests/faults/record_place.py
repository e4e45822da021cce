"""Where one seed is played: a schema, a topic and a group of its own, and whoever runs there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.context import ForkServerContext
from pathlib import Path

import psycopg
from psycopg import sql

from outbox.connection import PsycopgConnection
from outbox.consumer.lag.read import LagReader
from outbox.consumer.partitions.lanes import lane_of
from outbox.consumer.partitions.lineage import accept
from outbox.consumer.partitions.standing import Standing
from outbox.consumer.quarantine.quarantine_admin import Entry, discard, entries, request_replay
from outbox.kafka.port import TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_reader import PythonReader
from outbox.schema import migrate
from outbox.told import Told
from strangler.local.stack import Stack
from tests.faults.record_case import Case
from tests.faults.record_handler import TABLES
from tests.faults.record_member import Order
from tests.faults.record_process import Process
from tests.faults.record_sender import Sender
from tests.faults.record_sent import OTHER, OURS, Move
from tests.faults.record_truth import Effect, Place

DATABASE = "records"
MOST = 100_000
DESK = Told("faults", "looked at it")

_POSITIONS = "SELECT partition, lane, next_offset FROM position"
_FENCES = "SELECT partition, max(fence) FROM position GROUP BY partition"
_EFFECTS = 'SELECT id, partition, "offset" FROM effects ORDER BY seq'
_DISCARDED = """SELECT partition, "offset" FROM quarantine WHERE resolution = 'discarded'"""
_REASONS = "SELECT reason FROM quarantine WHERE resolved_at IS NULL"


@dataclass
class Ground:
    """`killed`: the last process did not leave its group, which waits for it. `left_out`: keys without further events,
    since no order is promised between what stands in one partition and what comes to another.
    """

    stack: Stack
    forked: ForkServerContext
    folder: Path
    case: Case
    dsn: str
    sender: Sender
    reader: LagReader
    started: list[Process] = field(default_factory=list)
    killed: bool = False
    left_out: set[bytes | None] = field(default_factory=set)

    @classmethod
    @contextmanager
    def open(cls, stack: Stack, forked: ForkServerContext, folder: Path, case: Case, group: str) -> Iterator[Ground]:
        folder.mkdir(parents=True, exist_ok=True)
        dsn = stack.databases.ensure(DATABASE)
        with psycopg.connect(dsn) as connection:
            migrate(connection, "consumer", group)
        topic = f"{group}.order"
        with (
            Sender.open(stack.bootstrap, topic) as sender,
            closing(PythonAdmin(stack.bootstrap)) as admin,
            closing(PythonReader(stack.bootstrap)) as reader,
        ):
            lag = LagReader(group=group, topics=[topic], admin=admin, reader=reader)
            ground = cls(stack, forked, folder, case, dsn, sender, lag)
            with ground.connection() as connection:
                for table in TABLES:
                    connection.execute(table)
            try:
                yield ground
            finally:
                for one in ground.started:
                    one.kill()
                with psycopg.connect(dsn) as connection:
                    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(group)))

    def lag(self) -> Sequence[Standing]:
        """What `outbox lag` says to stand."""
        with self.connection() as connection:
            return self.reader.read(connection).standing

    @property
    def group(self) -> str:
        return self.sender.topic.partition(".")[0]

    def start(self, *, mended: bool) -> Process:
        """Where it is mended, an operator has told it of both sources too."""
        said = mended or self.case.move is Move.DECLARED
        point = "" if mended or self.started or not self.case.point else f"{self.case.point}:{self.case.arrival}"
        order = Order(
            case=replace(self.case, chunks=()),
            dsn=self.dsn,
            bootstrap=self.stack.bootstrap,
            group=self.group,
            metrics=("127.0.0.1", self.stack.take_port()),
            attempts=self.folder / "attempts",
            sources=(OURS, OTHER) if said else (OURS,),
            mended=mended,
            stop_at=point,
        )
        process = Process.start(self.forked, order, self.folder / f"process-{len(self.started)}.log")
        self.started.append(process)
        return process

    def connection(self) -> PsycopgConnection:
        return psycopg.connect(self.dsn, options=f"-csearch_path={self.group}")

    def pending(self) -> dict[tuple[int, int], int]:
        """The offset of the first record that is not done with, by partition and lane."""
        with self.connection() as connection:
            rows = connection.execute(_POSITIONS).fetchall()
        next_offsets = {(int(row[0]), int(row[1])): int(row[2]) for row in rows}
        found: dict[tuple[int, int], int] = {}
        for one in self.sender.placed:
            where = one.partition, lane_of(one.record.key or b"", self.case.lanes)
            if not one.aborted and one.offset >= next_offsets.get(where, 0):
                found[where] = min(one.offset, found.get(where, one.offset))
        return found

    def fences(self) -> dict[int, int]:
        """By partition; whoever takes one over raises its fence."""
        with self.connection() as connection:
            return {int(row[0]): int(row[1]) for row in connection.execute(_FENCES)}

    def leave_out(self, standing: Mapping[tuple[int, int], object]) -> None:
        """The keys of lanes that stand: partitions were added."""
        for one in self.sender.placed:
            if (one.partition, lane_of(one.record.key or b"", self.case.lanes)) in standing:
                self.left_out.add(one.record.key)

    def accept(self, partitions: Sequence[int]) -> None:
        """A person has looked, and what the topic holds goes on."""
        with self.connection() as connection:
            for number in partitions:
                accept(connection, TopicPartition(self.sender.topic, number), told=DESK)

    def desk(self) -> list[str]:
        """Discard what is no event, ask for all else; why the others are parked still."""
        with self.connection() as connection:
            found = entries(connection, heads=True, limit=MOST)
            for entry in found:
                self._decide(connection, entry)
            return [row[0] for row in connection.execute(_REASONS)]

    def _decide(self, connection: PsycopgConnection, entry: Entry) -> None:
        if entry.reason.startswith("undecodable"):
            discard(connection, entry, DESK)
        elif entry.replay_requested_at is None:
            request_replay(connection, entry, DESK)

    def effects(self) -> list[Effect]:
        with self.connection() as connection:
            return [Effect(row[0], (row[1], row[2])) for row in connection.execute(_EFFECTS)]

    def discarded(self) -> list[Place]:
        with self.connection() as connection:
            return [(row[0], row[1]) for row in connection.execute(_DISCARDED)]
