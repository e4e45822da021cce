"""Whom a command gives way to, looked at in a thread; and whether it holds locks, asked of the database."""

from __future__ import annotations

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
    """Those of the sessions that bear a name, as libpq gives it by PGAPPNAME. Close it."""

    def __init__(self, connect: Callable[[], PsycopgConnection], name: str, say: Callable[[str], None]) -> None:
        self._connect, self._name, self._say = connect, name, say
        self._connection: PsycopgConnection | None = None
        self._said = False

    def any(self) -> bool:
        """Whether one is open. Where nobody can tell, one is: what is not stopped does no harm for it."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            row = self._connection.execute(OPEN, {"name": self._name}).fetchone()
        except psycopg.Error as error:
            self.close()
            if not self._said:
                self._said = True
                self._say(f"the command is not slowed: nobody can tell what it holds ({type(error).__name__})")
            return True
        self._said = False
        return row is None or bool(row[0])

    def close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection = None
