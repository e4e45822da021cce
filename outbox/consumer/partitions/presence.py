"""What a member says of itself once a second, in its group's database: that it lives, what it holds, what stands."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Collection, Sequence
from dataclasses import asdict

from psycopg.types.json import Jsonb

from outbox.connection import PsycopgConnection
from outbox.consumer.partitions.assignments import Assignments
from outbox.consumer.partitions.lane_scheduler import LaneScheduler
from outbox.consumer.partitions.standing import Standing, StandingCause
from outbox.consumer.report import Report
from outbox.kafka.port import TopicPartition

AT_WORK_S = 1.0  # most runs are shorter, and no news

# Lost in a crash it is said again; nothing waits for the disk.
_LAZY_COMMIT = "SET LOCAL synchronous_commit TO OFF"

_SAY = """
INSERT INTO member (group_name, member, seen_at, held, standing)
VALUES (%(group)s, %(member)s, clock_timestamp(), %(held)s, %(standing)s)
ON CONFLICT (group_name, member)
DO UPDATE SET seen_at = excluded.seen_at, held = excluded.held, standing = excluded.standing"""

# Those that ended without a word; the last one stays, so that one sees since when there is none.
_FORGET = """
DELETE FROM member WHERE group_name = %(group)s AND seen_at < now() - interval '1 hour' AND member <> %(member)s"""


def standing_of(assignments: Assignments, board: LaneScheduler, report: Report) -> list[Standing]:
    """All that a member knows to stand: its partitions, its lanes, or all of them; and which lanes wait their turn."""
    found = [*assignments.standing(), *lanes_standing(board), *lanes_waiting(board)]
    open_s = report.breaker_open_s()
    if open_s is not None:
        found.append(Standing(StandingCause.BREAKER_OPEN, open_s, detail="what the handlers depend on does not answer"))
    return found


def lanes_standing(board: LaneScheduler) -> list[Standing]:
    """Each lane once: one that is tried again just now stands since it first failed."""
    found = []
    at_work = {(partition, lane): (offset, for_s) for partition, lane, offset, for_s in board.at_work()}
    for partition, lane, offset, attempts, for_s in board.standing():
        detail = f"tried {attempts} times" if attempts else "put off"
        _, again_s = at_work.pop((partition, lane), (offset, 0.0))
        detail += f", at work for {again_s:.0f} s" if again_s > AT_WORK_S else ""
        found.append(Standing(StandingCause.LANE_STANDS, for_s, *partition, lane=lane, offset=offset, detail=detail))
    for (partition, lane), (offset, for_s) in at_work.items():
        if for_s > AT_WORK_S:
            found.append(
                Standing(StandingCause.LANE_STANDS, for_s, *partition, lane=lane, offset=offset, detail="at work")
            )
    return found


def lanes_waiting(board: LaneScheduler) -> list[Standing]:
    """Of each partition the lane that has waited longest for a worker."""
    longest: dict[TopicPartition, Standing] = {}
    for partition, lane, offset, for_s in board.queued():
        before = longest.get(partition)
        if for_s > AT_WORK_S and (before is None or for_s > before.for_s):
            longest[partition] = Standing(
                StandingCause.WAITS_ITS_TURN, for_s, *partition, lane=lane, offset=offset, detail="for a worker"
            )
    return list(longest.values())


class Presence:
    """One member, by a name of its own. For one thread."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._member = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

    def say(
        self, connection: PsycopgConnection, held: Collection[TopicPartition], standing: Sequence[Standing]
    ) -> None:
        """COMMITS."""
        self._write(connection, sorted(held), standing)

    def leave(self, connection: PsycopgConnection) -> None:
        """It is gone, and does not only hold nothing. COMMITS."""
        self._write(connection, None, ())

    def _write(
        self, connection: PsycopgConnection, held: Sequence[TopicPartition] | None, standing: Sequence[Standing]
    ) -> None:
        names = {"group": self._group, "member": self._member}
        given = {"held": Jsonb(held), "standing": Jsonb([asdict(one) for one in standing])}
        with connection.transaction():
            connection.execute(_LAZY_COMMIT)
            connection.execute(_SAY, {**names, **given})
            connection.execute(_FORGET, names)
