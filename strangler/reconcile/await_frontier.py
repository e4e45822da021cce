"""Reaching the frontier: wait for the relay, then for every lane. What is not reached in time is said, not guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psycopg

from outbox.connection import PsycopgConnection
from outbox.errors import OutboxError
from outbox.kafka.port import Admin, TopicPartition
from strangler.reconcile.frontier import Ends, Mark, StepFrontier, step_frontier
from strangler.reconcile.waiting import Deadline

# The insert position, not the flush position: with synchronous_commit=off a commit is visible before it is flushed,
# and an event beyond the frontier would be called missing. All that a snapshot sees was inserted before this reads.
INSERT_LSN = "SELECT pg_current_wal_insert_lsn()::text"

SLOT = """
SELECT active, coalesce(wal_status, '') = 'lost', coalesce(confirmed_flush_lsn >= %(lsn)s::pg_lsn, false),
       confirmed_flush_lsn::text
FROM pg_replication_slots
WHERE slot_name = %(slot)s AND slot_type = 'logical' AND database = current_database()"""

# The position may lie beyond the last commit (a record of a transaction without one, a page's header), and an idle
# walsender would then stay before it. A transaction of ours gives it a commit behind the position.
NUDGE = "SELECT pg_logical_emit_message(true, 'strangler.reconcile', '')"
NUDGE_AFTER_S = 0.5

MARKS = """
SELECT topic, partition, lane, lanes, incarnation, next_offset FROM position
WHERE group_name = %(group)s AND topic = ANY(%(topics)s)"""


@dataclass(frozen=True, slots=True)
class Group:
    """A step's consumer group, with a connection in autocommit to the schema that holds its positions."""

    connection: PsycopgConnection
    name: str
    topics: Sequence[str]

    def marks(self) -> list[Mark] | str:
        """Where the group's lanes stand, or why the context's database does not say."""
        try:
            rows = self.connection.execute(MARKS, {"group": self.name, "topics": list(self.topics)}).fetchall()
        except psycopg.Error as error:
            return f"the positions of group {self.name} cannot be read: {type(error).__name__}"
        return [Mark(*row) for row in rows]

    def stand(
        self, ends: Ends, marks: list[Mark] | str, limits: Mapping[TopicPartition, int] | None = None
    ) -> StepFrontier:
        if isinstance(marks, str):
            return StepFrontier(why_unknown=marks)
        return step_frontier(self.topics, ends, marks, limits)


def insert_lsn(connection: PsycopgConnection) -> str:
    """The position behind everything that a snapshot taken before this call sees. `connection` is in autocommit."""
    (lsn,) = connection.execute(INSERT_LSN).fetchone() or ("",)
    return str(lsn)


def await_relay(connection: PsycopgConnection, slot: str, lsn: str, deadline: Deadline) -> str:
    """Wait until the relay has confirmed `lsn`; "" when it has, else why not. `connection` is in autocommit."""
    relay = _Relay(connection, slot, lsn)
    early = Deadline(min(deadline.at, deadline.clock() + NUDGE_AFTER_S), deadline.clock, deadline.pause)
    if not early.wait(relay.decided):
        connection.execute(NUDGE)
        deadline.wait(relay.decided)
    return relay.why


def reach_lanes(
    groups: Mapping[str, Group], connect: Callable[[], Admin], deadline: Deadline
) -> dict[str, StepFrontier]:
    """Read the ends of the topics, wait until every lane of every group has passed them or the deadline has.

    At the end the ends are read again: a position beyond them is of a log that has lost its tail.
    """
    topics = sorted({topic for group in groups.values() for topic in group.topics})
    try:
        admin = connect()
        try:
            ends = Ends(admin.describe(topics), admin.end_offsets(topics))
            _await_lanes(groups, ends, deadline)
            marks = {step: group.marks() for step, group in groups.items()}
            limits = admin.end_offsets(topics)  # after the marks, which may have moved on meanwhile
        finally:
            admin.close()
    except OutboxError as error:
        return {step: StepFrontier(why_unknown=str(error)) for step in groups}
    return {step: group.stand(ends, marks[step], limits) for step, group in groups.items()}


def _await_lanes(groups: Mapping[str, Group], ends: Ends, deadline: Deadline) -> None:
    waiting = dict(groups)

    def passed() -> bool:
        for step in [step for step, group in waiting.items() if group.stand(ends, group.marks()).decided()]:
            del waiting[step]
        return not waiting

    deadline.wait(passed)


class _Relay:
    """Asks the slot until there is an answer; `why` is the answer, "" when all is confirmed."""

    def __init__(self, connection: PsycopgConnection, slot: str, lsn: str) -> None:
        self._connection, self._parameters = connection, {"slot": slot, "lsn": lsn}
        self.why = ""

    def decided(self) -> bool:
        """False while waiting may help; an inactive slot may be a relay that restarts."""
        slot = self._parameters["slot"]
        row = self._connection.execute(SLOT, self._parameters).fetchone()
        if row is None:
            self.why = f"this database has no replication slot {slot!r}; start the relay: python -m outbox relay"
            return True
        active, lost, confirmed, at = row
        if lost:
            self.why = f"replication slot {slot!r} is lost: events may be, too; a person decides"
            return True
        state = "" if active else "; no relay is connected, start it: python -m outbox relay"
        self.why = "" if confirmed else f"the relay has confirmed {at}, not {self._parameters['lsn']}{state}"
        return bool(confirmed)
