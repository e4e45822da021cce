"""Frames of the WAL in, records and marks out: follows the transactions. No I/O of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from outbox.fault_points import FaultPoints
from outbox.relay.messages import Begin, Commit, Insert, Relation
from outbox.relay.pgoutput import decode
from outbox.relay.publisher import Publisher
from outbox.relay.rows import OutboxRows
from outbox.relay.wal import Data, Frame


class Pump:
    """One stream's life. `prepare_topic` is called before the first record of a topic, and may wait."""

    def __init__(
        self,
        rows: OutboxRows,
        publisher: Publisher,
        prepare_topic: Callable[[str], None],
        fault_points: FaultPoints,
    ) -> None:
        self._rows, self._publisher, self._fault_points = rows, publisher, fault_points
        self._prepare_topic = prepare_topic
        self._prepared: set[str] = set()
        self._commit_lsn: int | None = None  # of the transaction under way
        self._committed_at_us = 0
        self._ordinal = 0

    def take(self, frame: Frame) -> None:
        """Rows are published as they come: the server only sends transactions that are committed."""
        if isinstance(frame, Data):
            self._take_data(frame)
        elif self._commit_lsn is None:
            # Foreign WAL passes without a row of ours; unconfirmed, it would fill the server's disk.
            self._publisher.mark(frame.end_lsn)

    def _take_data(self, frame: Data) -> None:
        message = decode(frame.frame, frame.at)
        match message:
            case Insert():
                self._insert(message)
            case Begin():
                self._commit_lsn, self._committed_at_us, self._ordinal = *message, 0
            case Commit():
                self._commit_lsn = None
                if self._ordinal:
                    self._publisher.committed(self._committed_at_us)
                self._publisher.mark(message.end_lsn)
            case Relation():
                self._rows.learn(message)
            case None:
                pass
            case _:
                assert_never(message)

    def _insert(self, insert: Insert) -> None:
        assert self._commit_lsn is not None  # noqa: S101 - the protocol: rows stand between Begin and Commit
        record = self._rows.record(insert, self._commit_lsn, self._ordinal)
        if record is None:
            return
        self._ordinal += 1
        if record.topic not in self._prepared:
            self._prepare_topic(record.topic)
            self._prepared.add(record.topic)
        self._fault_points.reach("relay.read")
        self._publisher.publish(record)
