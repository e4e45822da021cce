"""What a process of the monolith has beside the application's pool: connections, a number, a lock that says it lives.

Connections come from a pool like the application's own, but another: a seam would else wait for the connection that its
own request holds. They are made after the fork, and each process has its own.
"""

from __future__ import annotations

import logging
import os
import selectors
import threading
import weakref
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event

from outbox.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

logger = logging.getLogger(__name__)

LOCK_CLASS = 0x5354  # of the two-int form; the judge finds it in pg_locks
NEXT = "SELECT nextval('strangler.process_number')::integer"
LOCK = "SELECT pg_try_advisory_lock(%s, %s)"
ENDLESS = "SELECT set_config('idle_session_timeout', '0', false)"
MAY = """
SELECT current_user, has_function_privilege(oid, 'EXECUTE') FROM pg_proc
WHERE proname = 'record_seam' AND pronamespace = to_regnamespace('strangler')"""
UNKNOWN = 0  # no process has it
TRIES = 100  # numbers of processes that are still there, after the sequence has begun again


class SeamProcess:
    """This process beside one engine of the application."""

    def __init__(self, application: Engine) -> None:
        self.pid = os.getpid()
        pool = application.pool.recreate()  # with the application's listeners, which may leave a transaction begun
        event.listen(pool, "connect", lambda connection, _record: connection.commit())
        self.engine = create_engine(application.url, pool=pool, isolation_level="AUTOCOMMIT")
        self._lock = threading.Lock()
        self._number = UNKNOWN
        self._alive: Connection | None = None
        _HERE.add(self)

    def number(self) -> int:
        """By which the judge knows whether the process lives. 0 where the database does not give one: that is logged,
        and no change fails for it. `ConfigurationError` for a role that could not record.
        """
        with self._lock:
            if self._alive is None or _was_lost(self._alive):
                try:
                    self._alive, self._number = self._begin()
                except ConfigurationError:
                    raise
                except Exception as error:  # noqa: BLE001 - a driver's: the application's change does not need it
                    logger.error("seam_process_unknown", extra={"error": type(error).__name__})
                    self._alive = None
                    return UNKNOWN
            return self._number

    def _begin(self) -> tuple[Connection, int]:
        connection = self.engine.connect()
        connection.detach()  # for as long as the process lives
        try:
            return connection, _locked_number(connection, self._number)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """End all of its connections; the process no longer lives, by the judge's account."""
        with self._lock:
            if self._alive is not None:
                self._alive.close()
            self._alive, self._number = None, UNKNOWN
            self.engine.dispose()

    def let_go(self) -> None:
        """In a child: its copy of the connection would keep the lock when the parent is gone."""
        if self._alive is not None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, _socket(self._alive))  # not closed: the number would soon be another file's
            os.close(null)


class Processes:
    """`of(engine)` in this process, whichever it has become. Safe across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: weakref.WeakKeyDictionary[Engine, SeamProcess] = weakref.WeakKeyDictionary()
        self._inherited: list[SeamProcess] = []  # never finalised: their sockets are a parent's

    def of(self, engine: Engine) -> SeamProcess:
        """One for all that `execution_options` makes of an engine: each request may ask for another."""
        while (behind := getattr(engine, "_proxied", None)) is not None:
            engine = behind
        with self._lock:
            found = self._found.get(engine)
            if found is None or found.pid != os.getpid():
                self._inherited += [] if found is None else [found]
                found = self._found[engine] = SeamProcess(engine)
            return found

    def close(self) -> None:
        """Of this process, all."""
        with self._lock:
            for process in self._found.values():
                if process.pid == os.getpid():
                    process.close()
            self._found.clear()


def _locked_number(connection: Connection, before: int) -> int:
    """The number of before, where the process had one and its connection was lost: it still lives."""
    found = connection.exec_driver_sql(MAY).one_or_none()
    if found is None or not found[1]:
        missing = "there is no strangler.record_seam" if found is None else f"{found[0]} may not execute it"
        raise ConfigurationError(f"no seam could record: {missing}; run: strangler migrate --roles")
    connection.exec_driver_sql(ENDLESS)
    for _ in range(TRIES):
        number = before or int(connection.exec_driver_sql(NEXT).scalar_one())
        if connection.exec_driver_sql(LOCK, (LOCK_CLASS, number)).scalar():
            return number
        before = UNKNOWN  # the server has not noticed yet that the other connection is gone
    raise ConfigurationError(f"{TRIES} process numbers in a row are taken; reset strangler.process_number")


def _was_lost(connection: Connection) -> bool:
    """Costs no round trip unless the server has said something."""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(_socket(connection), selectors.EVENT_READ)
            if selector.select(0):
                connection.exec_driver_sql("SELECT 1")
    except Exception:  # noqa: BLE001 - a driver's: whatever it is, the lock is no more to be counted on
        logger.warning("seam_process_lost")
        return True
    return False


def _socket(connection: Connection) -> int:
    driver: Any = connection.connection.dbapi_connection  # there also once it is detached
    return int(driver.fileno())


_HERE: weakref.WeakSet[SeamProcess] = weakref.WeakSet()  # a hook at the fork cannot be taken back, so there is one


def _after_fork() -> None:
    for process in list(_HERE):
        process.let_go()


os.register_at_fork(after_in_child=_after_fork)
