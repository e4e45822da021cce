"""The keeper: the one thread that keeps position rows for the poll thread, which must never wait for a database.

It raises the fence for new assignments, moves idle lanes up to the frontier, and finds fences that others have raised:
a member that was given the partition, or a person who has set its position.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from outbox.connection import PsycopgConnection
from outbox.consumer.partitions import moving, positions
from outbox.consumer.partitions.lane_scheduler import LaneScheduler
from outbox.consumer.partitions.run import Assigned, Sweep
from outbox.consumer.report import Report
from outbox.consumer.session import Session
from outbox.consumer.settings import RuntimeSettings
from outbox.errors import Fenced
from outbox.kafka.port import TopicPartition

LOCK_WITHIN_S = 1.0
REST_AFTER_ERROR_S = 0.5
DEPOSIT_EVERY_S = 1.0
LOOK_EVERY_S = 1.0
NEVER = float("-inf")

# A takeover waits for a commit under way, not for a stopped owner: it is tried again.
_LIMIT_LOCKS = "SELECT set_config('lock_timeout', %s, true)"
# A sweep lost in a crash is done again after it: no need to wait for the disk.
_LAZY_COMMIT = "SET LOCAL synchronous_commit TO OFF"


@dataclass(frozen=True, slots=True)
class Request:
    """Take over `partition`; lanes without a row begin at `start`. Compared by identity.

    `begins`: where a group that has no position in the topic begins in each partition, if not at `start`.
    """

    partition: TopicPartition
    incarnation: str
    start: int
    begins: Mapping[TopicPartition, int] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`result` is the assignment or why there is none."""

    request: Request
    result: Assigned | Exception


class PositionThread:
    """Asked and answered without waiting. At most one request per partition is held.

    `each_second` is called with the open connection, `leave` at the end; they commit by themselves.
    """

    def __init__(
        self,
        group: str,
        board: LaneScheduler,
        session: Session,
        settings: RuntimeSettings,
        report: Report,
        *,
        each_second: Callable[[PsycopgConnection], None],
        leave: Callable[[PsycopgConnection], None],
    ) -> None:
        self._group, self._board, self._session = group, board, session
        self._settings, self._report = settings, report
        self._each_second, self._leave = each_second, leave
        self._deposited_at = time.monotonic()
        self._looked_at = NEVER
        self._fences: dict[TopicPartition, int | None] = {}  # as they stood when we last knew
        self._moved: set[TopicPartition] = set()
        self._lock = threading.Lock()
        self._requests: dict[TopicPartition, Request] = {}
        self._answers: dict[TopicPartition, Answer] = {}
        self._wanted, self._stopping = threading.Event(), threading.Event()

    def ask(self, request: Request) -> None:
        with self._lock:
            self._requests[request.partition] = request
        self._wanted.set()

    def withdraw(self, partition: TopicPartition) -> None:
        """The partition was revoked: a takeover now would only push its new owner out."""
        with self._lock:
            self._requests.pop(partition, None)
            self._answers.pop(partition, None)
            self._fences.pop(partition, None)

    def answers(self) -> list[Answer]:
        with self._lock:
            answers, self._answers = list(self._answers.values()), {}
        return answers

    def moved(self) -> set[TopicPartition]:
        """Partitions that stand still, and whose position somebody has set meanwhile."""
        with self._lock:
            moved, self._moved = self._moved, set()
        return moved

    def stop(self) -> None:
        """End after one last sweep."""
        self._stopping.set()
        self._wanted.set()

    def run(self) -> None:
        """Until stopped."""
        try:
            while not self._stopping.is_set():
                self._wanted.wait(self._settings.sweep_s)
                self._wanted.clear()
                self._take_over()
                self._deposit()
                self._look()
                if not self._sweep():
                    self._stopping.wait(REST_AFTER_ERROR_S)
            self._sweep()
            self._say_goodbye()
        finally:
            self._session.close()

    def _take_over(self) -> None:
        while (request := self._next_request()) is not None:
            result: Assigned | Exception
            try:
                result = self._assign(request)
            except Exception as error:  # noqa: BLE001 - handed to the poll thread, which decides
                self._session.recover()
                result = error
                self._looked_at = NEVER  # its fence is not known: look now, so that a change of it is seen
            with self._lock:
                self._answers[request.partition] = Answer(request, result)
                self._fences[request.partition] = result.fence if isinstance(result, Assigned) else None

    def _next_request(self) -> Request | None:
        with self._lock:
            return self._requests.pop(next(iter(self._requests))) if self._requests else None

    def _assign(self, request: Request) -> Assigned:
        connection = self._session.connection()
        with connection.transaction():
            connection.execute(_LIMIT_LOCKS, [str(round(LOCK_WITHIN_S * 1000))])
            group, incarnation, lanes = self._group, request.incarnation, self._settings.lanes
            if request.begins is not None:
                positions.begin(connection, group, request.begins, incarnation=incarnation, lanes=lanes)
            return positions.assign(
                connection, group, request.partition, incarnation=incarnation, lanes=lanes, start=request.start
            )

    def _deposit(self) -> None:
        """What deliveries earn for the whole group, and that this member lives."""
        if time.monotonic() - self._deposited_at < DEPOSIT_EVERY_S:
            return
        self._deposited_at = time.monotonic()
        try:
            self._each_second(self._session.connection())
        except Exception as error:  # noqa: BLE001 - the count is kept and brought later
            self._session.recover()
            self._report.failed("deposit_failed", error)

    def _say_goodbye(self) -> None:
        try:
            self._leave(self._session.connection())
        except Exception as error:  # noqa: BLE001 - it is missed after some seconds
            self._session.recover()
            self._report.trouble("goodbye_failed", error)

    def _look(self) -> None:
        """What is idle writes nothing that would tell, and what stands still has no fence of its own."""
        if time.monotonic() - self._looked_at < LOOK_EVERY_S or not self._fences:
            return
        self._looked_at = time.monotonic()
        try:
            connection = self._session.connection()
            with connection.transaction():
                stored = moving.fences(connection, self._group)
        except Exception as error:  # noqa: BLE001 - there is a next look
            self._session.recover()
            self._report.trouble("fences_unknown", error)
            return
        held = {one.partition: one for one in self._board.assigned()}
        with self._lock:
            changed = {one: known for one, known in self._fences.items() if stored.get(one) != known}
            self._fences |= {one: stored.get(one) for one in changed}
            self._moved |= {one for one, known in changed.items() if known is not None and one not in held}
        for partition in changed.keys() & held.keys():
            if held[partition].fence != stored.get(partition):
                self._board.fenced(held[partition])

    def _sweep(self) -> bool:
        """False: an error, rest a moment."""
        for idle in self._board.idle():
            try:
                self._move(idle)
            except Fenced as fenced:
                self._report.trouble("sweep_fenced", fenced, idle.assigned.partition)
                self._board.fenced(idle.assigned)
            except Exception as error:  # noqa: BLE001 - positions lag until the database is back, nothing is lost
                self._session.recover()
                self._report.failed("sweep_failed", error, idle.assigned.partition)
                return False
            else:
                self._board.swept(idle)
        return True

    def _move(self, idle: Sweep) -> None:
        connection = self._session.connection()
        with connection.transaction():
            connection.execute(_LAZY_COMMIT)
            connection.execute(_LIMIT_LOCKS, [str(round(LOCK_WITHIN_S * 1000))])
            positions.sweep(connection, self._group, idle)
