"""A streaming replica of the stack's PostgreSQL, which can be cut off and promoted."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from strangler.local.ports import Ports
from strangler.local.postgres import FORGETFUL, SETTINGS, Postgres
from strangler.local.spawner import Spawner
from tests.support.waiting import wait_until

BACKUP_WITHIN_S = 120.0
REPLAYED = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"


class Replica(Postgres):
    """Made by pg_basebackup; it has the primary's databases, and its password."""

    def __init__(self, primary: str, folder: Path, spawner: Spawner) -> None:
        super().__init__(folder, Ports(), spawner, SETTINGS | FORGETFUL)
        self._primary = primary

    def caught_up(self) -> None:
        """With all that is written at the primary now."""
        with psycopg.connect(self._primary, autocommit=True) as primary:
            ((written,),) = primary.execute("SELECT pg_current_wal_insert_lsn()::text").fetchall()
        wait_until(lambda: self._asked(REPLAYED, written))

    def cut_off(self) -> None:
        """What the primary writes from now on never comes."""
        self._asked("ALTER SYSTEM SET primary_conninfo = ''")
        self._asked("SELECT pg_reload_conf()")
        wait_until(lambda: self._asked("SELECT count(*) = 0 FROM pg_stat_wal_receiver"))

    def promote(self) -> None:
        assert self._asked("SELECT pg_promote()")

    def _asked(self, statement: str, *values: str) -> object:
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    def _initialise(self) -> None:
        password = str(conninfo_to_dict(self._primary)["password"])
        self._shelter.write_secret(self._password_file, password)
        program = str(self._server.with_name("pg_basebackup"))
        argv = [program, "-D", str(self._data), "-d", self._primary, "-R", "-X", "stream", "-c", "fast"]
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=BACKUP_WITHIN_S, check=False,
            cwd=self._shelter.folder, **self._shelter.identity(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@contextmanager
def replica_of(primary: str) -> Iterator[Replica]:
    """A running one, thrown away at the end."""
    folder = Path(tempfile.mkdtemp(prefix="strangler-replica-"))
    folder.chmod(0o755)
    (folder / "logs").mkdir()
    spawner = Spawner()
    replica = Replica(primary, folder, spawner)
    try:
        replica.start()
        yield replica
    finally:
        replica.running.kill()
        spawner.close()
        replica.remove_shelter()
        shutil.rmtree(folder, ignore_errors=True)
