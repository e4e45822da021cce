"""Whom a command gives way to, looked at in a thread; and whether it holds locks, asked of the database."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import LiteralString

import psycopg

from outbox.connection import PsycopgConnection
from outbox.consumer.give_way import PAUSE_S, GiveWay, Waits
from outbox.policy import ServiceClass
from strangler.modes.table import HeldReader
from strangler.modes.watch import ModeWatch, watched
from strangler.service.declaration import Service
from strangler.service.giving_way import giving_way
from strangler.service.settings import RunSettings

FIRST_LOOK_S = 15.0  # then a command begins without it: hours of work do not end where nobody sees
ANSWER_S = 1.0  # a database that hangs must not keep a command stopped, nor us from a signal

# Of another role's sessions one without pg_read_all_stats sees the name and nothing else: then one is taken for open.
OPEN: LiteralString = """
SELECT count(*) > 0 FROM pg_stat_activity
WHERE application_name = %(name)s AND (xact_start IS NOT NULL OR state IS NULL)"""


@contextmanager
def looked_at(
    services: Sequence[Service], settings: RunSettings, subject: str, say: Callable[[str], None]
) -> Iterator[Callable[[], Mapping[str, float]]]:
    """Those of them that are of a higher class than bulk: what is itself bulk holds nobody up."""

    def tell(name: str, waits: Waits | None) -> None:
        if waits is None:
            say(f"{name} has caught up")
        else:
            say(f"{name}'s live events wait {waits.oldest_s:.0f} s; given way to until below {waits.limit_s / 2:g} s")

    above = [one for one in services if one.policy.service_class is not ServiceClass.BULK]
    with giving_way(above, settings, subject, tell) as several:
        looks = _PressureLooks(several)
        looks.start()
        try:
            yield looks.now
        finally:
            looks.stop()


@contextmanager
def held_back(
    modes: Collection[str], connect: Callable[[], PsycopgConnection], say: Callable[[str], None]
) -> Iterator[Callable[[], Mapping[str, float]]]:
    """By one of these modes, while it holds; how long is not known, so it is 0."""
    if not modes:
        yield dict
        return
    held = HeldReader(connect)
    watch = ModeWatch("admit bulk", held, lambda name: say(f"mode {name} holds") if name in modes else None)
    with closing(held), watched(watch):
        yield lambda: {f"mode {name}": 0.0} if (name := watch.now()) in modes else {}


class _PressureLooks:
    """A look may take long: whoever watches over a command does not wait for one."""

    def __init__(self, several: Sequence[GiveWay]) -> None:
        self._several = several
        self._found: Mapping[str, float] = {}
        self._looked, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="looks", daemon=True)

    def start(self) -> None:
        """Returns once each was looked at, or cannot be."""
        self._thread.start()
        self._looked.wait(FIRST_LOOK_S)

    def now(self) -> Mapping[str, float]:
        return self._found

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(FIRST_LOOK_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._found = {one.name: waits.oldest_s for one in self._several if (waits := one.now()) is not None}
            self._looked.set()
            self._stopping.wait(PAUSE_S)


class Transactions:
    """Those of the sessions that bear a name, as libpq gives it by PGAPPNAME. Asked in a thread. Close it."""

    def __init__(
        self,
        connect: Callable[[], PsycopgConnection],
        name: str,
        say: Callable[[str], None],
        within_s: float = ANSWER_S,
    ) -> None:
        self._connect, self._name, self._say, self._within_s = connect, name, say, within_s
        self._said = False
        self._asked: queue.SimpleQueue[queue.SimpleQueue[bool | str] | None] = queue.SimpleQueue()
        self._answer: queue.SimpleQueue[bool | str] | None = None  # that did not come in time
        self._thread = threading.Thread(target=self._run, name="transactions", daemon=True)
        self._thread.start()

    def any(self) -> bool:
        """Whether one is open, within a second. Where nobody can tell, one is: what is not stopped does no harm."""
        late = self._answer
        answer = late or queue.SimpleQueue()
        if late is None:
            self._asked.put(answer)
        try:
            found = answer.get(timeout=0.0 if late else self._within_s)
        except queue.Empty:
            self._answer = answer
            return self._unknown(f"no answer within {self._within_s:g} s")
        self._answer = None
        if late is not None:  # it tells how it was
            return self.any()
        if isinstance(found, str):
            return self._unknown(found)
        self._said = False
        return found

    def close(self) -> None:
        self._asked.put(None)
        self._thread.join(self._within_s)

    def _unknown(self, why: str) -> bool:
        if not self._said:
            self._said = True
            self._say(f"the command is not slowed: nobody can tell what it holds ({why})")
        return True

    def _run(self) -> None:
        connection: PsycopgConnection | None = None
        while (answer := self._asked.get()) is not None:
            try:
                if connection is None:
                    connection = self._connect()
                row = connection.execute(OPEN, {"name": self._name}).fetchone()
                answer.put(row is None or bool(row[0]))
            except psycopg.Error as error:
                _close(connection)
                connection = None
                answer.put(type(error).__name__)
        _close(connection)


def _close(connection: PsycopgConnection | None) -> None:
    if connection is not None:
        with suppress(psycopg.Error):
            connection.close()
