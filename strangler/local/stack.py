"""The local stack: PostgreSQL, Kafka and processes of ours on loopback, with one folder for data and logs."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psycopg

from outbox.connection import connect, unanswered
from outbox.kafka_settings import KafkaSettings
from strangler.errors import BadInput, DependencyDown, RefusedError
from strangler.local.databases import Databases, database_of, resolved
from strangler.local.kafka_apache import apache_kafka
from strangler.local.kafka_embedded import embedded_kafka
from strangler.local.kafka_probe import require_kafka
from strangler.local.ports import Ports
from strangler.local.postgres import FORGETFUL, SETTINGS, Postgres
from strangler.local.process import Answers, Ready, Running, stop_all
from strangler.local.spawner import Command, Spawner
from strangler.local.tables import Tables

DATABASE = "strangler"
POLL_REST_MS = 40  # the embedded Kafka answers empty fetches at once; an idle consumer would spin
# Children speak to each other on loopback: a proxy from the environment must never come between.
CHILD_ENVIRON = {"PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


class Stack:
    """Started by `Stack.start`; a context manager that stops it. What is given by address is used, never stopped."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.dsn = ""
        self.bootstrap = ""
        self.poll_rest_ms = 0
        self.postgres: Postgres | None = None
        self.kafka: Running | None = None
        self._say = say
        self._ports = Ports()
        self._spawner = Spawner()
        self._spawned: list[Running] = []
        self._databases: Databases | None = None
        self._held: IO[str] | None = None

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        kafka: str = "embedded",
        dsn: str | None = None,
        say: Callable[[str], None],
        durable: bool = True,
    ) -> Stack:
        """Start what is not given. `kafka`: `embedded`, `apache` or `host:port`.

        `durable=False` gives up PostgreSQL's durability for speed: for data that is thrown away only.
        """
        (folder / "logs").mkdir(mode=0o755, parents=True, exist_ok=True)
        stack = cls(folder.resolve(), say)
        try:
            stack._hold_folder()
            stack._start(kafka, dsn, durable=durable)
        except BaseException:
            stack.stop()
            raise
        return stack

    def _hold_folder(self) -> None:
        """Two stacks on the same data would spoil it. The kernel lets go of the lock however we end."""
        self._held = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError(f"another stack runs from {self.folder}; stop it, or give --folder another") from error

    def _start(self, kafka: str, dsn: str | None, *, durable: bool) -> None:
        if dsn is not None:
            dsn = check_postgres(dsn)
        self._launch_kafka(kafka)  # first: it takes longer, and PostgreSQL starts meanwhile
        if dsn is None:
            self.postgres = Postgres(
                self.folder, self._ports, self._spawner, SETTINGS if durable else SETTINGS | FORGETFUL
            )
            self.postgres.start()
            self._databases = Databases(self.postgres.dsn("postgres"))
            self.dsn = self._databases.ensure(DATABASE)
        else:
            self.dsn = dsn
            self._databases = Databases(dsn)
        if self.kafka is not None:
            self.kafka.wait_ready()

    def _launch_kafka(self, kafka: str) -> None:
        self.poll_rest_ms = POLL_REST_MS if kafka == "embedded" else 0
        if kafka in ("embedded", "apache"):
            make = embedded_kafka if kafka == "embedded" else apache_kafka
            self.kafka = make(self.folder, self._ports, self._spawner)
            self.kafka.launch()
            self.bootstrap = f"127.0.0.1:{self.kafka.port}"
        elif ":" in kafka:
            require_kafka(KafkaSettings.from_environ(os.environ, bootstrap=kafka))
            self.bootstrap = kafka
        else:
            raise BadInput(f"unknown Kafka {kafka!r}; say embedded, apache or host:port")

    @property
    def databases(self) -> Databases:
        if self._databases is None:
            raise ValueError("the stack has not been started; use Stack.start")
        return self._databases

    def database(self, name: str, tables: Tables) -> str:
        """The DSN of a fresh database with these tables, and outbox partitions for the next days."""
        return self.databases.clone(name, tables)

    def take_port(self) -> int:
        return self._ports.take()

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        port_env: str | None = None,
        port: int | None = None,
        ready_path: str | None = None,
        ready: Ready | None = None,
        user: str | None = None,
        ready_within_s: float = 60.0,
        behind: bool = False,
        wait: bool = True,
    ) -> Running:
        """Start a process of ours; stopped with the stack. `argv` is complete.

        With `port_env` it finds its port there. Waits until `ready_path` answers 200 or `ready` says so
        (`Running.said_ready`: a line that begins with `ready`); with neither, or without `wait`, it does not wait.
        `behind`: others go first where cores are few.
        """
        given = dict(CHILD_ENVIRON) | dict(env)
        if port_env is not None:
            port = port or self._ports.take()
            given[port_env] = str(port)
        command = Command(tuple(argv), self.folder / "logs" / f"{name}.log", env=given, user=user, behind=behind)
        check = Answers(ready_path) if ready_path else ready
        running = Running(name, command, self._spawner, ready=check, port=port, ready_within_s=ready_within_s)
        self._spawned.append(running)
        running.launch()
        if wait:
            running.wait_ready()
        return running

    def servers(self) -> list[Running]:
        """Those that are ours: PostgreSQL, Kafka."""
        own = (self.postgres.running if self.postgres else None, self.kafka)
        return [server for server in own if server is not None]

    def stop(self) -> None:
        """Stop everything that we started: our processes at once, then the servers. May be called again."""
        self._stop(self._spawned)
        self._spawned.clear()
        if self.postgres is None and self._databases is not None:
            with contextlib.suppress(psycopg.OperationalError):  # a given server may be gone, with its templates
                self._databases.drop_templates()
        self._stop(self.servers())
        self._spawner.close()
        if self._held is not None:
            self._held.close()

    def _stop(self, group: Sequence[Running]) -> None:
        alive = [running for running in group if running.alive()]
        if alive:
            self._say(f"stopping {', '.join(running.name for running in alive)}")
            stop_all(alive)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def check_postgres(dsn: str) -> str:
    """A given PostgreSQL must answer and decode its WAL logically. Its address as a URL that leaves nothing out."""
    try:
        with connect(dsn, "") as connection:
            row = connection.execute("SHOW wal_level").fetchone()
            url = resolved(dsn, connection)
    except psycopg.OperationalError as error:
        raise DependencyDown(unanswered(error)) from error
    level = row[0] if row else None
    if level != "logical":
        raise DependencyDown(
            f"wal_level of database {database_of(url)!r} is {level!r}, the relay needs 'logical'; "
            "run: ALTER SYSTEM SET wal_level = logical; and restart the server "
            "(docs/howto/wal-and-slots.md#before-the-first-start)"
        )
    return url
