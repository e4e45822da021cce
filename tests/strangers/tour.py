"""A stranger's application under `strangler up`, walked through its stages by the verbs that a team types."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from strangler.local.stack import Stack
from strangler.local.stack_file import StackFile
from tests.strangers.conftest import Libraries
from tests.strangers.running import HERE, OUTSIDE, database_url, ledger, on_path
from tests.strangers.strangled import lay_over
from tests.support.waiting import wait_until

Json = Any
OURS = ("STRANGLER_", "OUTBOX_", "KAFKA")
TODAYS = Libraries(None, "psycopg")


@dataclass(frozen=True, slots=True)
class Tour:
    """A running system: its stack file's folder, the application's folder, and what its processes run with."""

    data: Path
    folder: Path
    environ: Mapping[str, str]
    stack_file: StackFile
    python: str = sys.executable

    @property
    def facade(self) -> str:
        return self.stack_file.environ["FACADE_URL"]

    @property
    def legacy(self) -> str:
        return self.stack_file.environ["LEGACY_URL"]

    def ledger(self, book: str) -> list[dict[str, Any]]:
        return ledger(self.stack_file.environ["OUTSIDE_URL"], book)

    def strangler(self, *argv: str, ends: int = 0) -> Json:
        """A verb, to its end, with what it said; any other end than `ends` fails the test."""
        command = [self.python, "-m", "strangler", *argv, "--json", "--stack", str(self.data / "stack.json")]
        done = subprocess.run(
            command, cwd=self.folder, env=dict(self.environ), capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == ends, f"{argv} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def advance(self, step: str, to: str, *, ramp: str | None = None, anyway: bool = False) -> None:
        """Reconciled first, where there is something to compare, or without."""
        if not anyway and to != "shadow":
            self.reconciled()
        more = [*(["--ramp", ramp] if ramp else []), *(["--anyway"] if anyway else [])]
        self.strangler("advance", step, "--to", to, *more, "--reason", "tour")

    def reconciled(self) -> Json:
        """Everything judged: the report, once nothing is late any more."""
        reports: list[Json] = []

        def settled() -> bool:
            reports.append(self.strangler("reconcile", "--all", "--timeout-s", "30"))
            return not any(counts["late"] for counts in reports[-1]["counts"].values())

        wait_until(settled, lambda: reports[-1]["judgements"], within_s=60, every_s=0.5)
        return reports[-1]

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.stack_file.environ["STRANGLER_DSN"]) as connection:
            return connection.execute(sql, parameters).fetchall()

    def is_noted(self, step: str) -> bool:
        """Whether the new side has noted the end of every call. One that stops before it has is an operator's."""
        return not self.rows(f"SELECT 1 FROM {step}.effect WHERE ended_at IS NULL")

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """A process that does not answer for a while, as behind a long garbage collection or a full disk."""
        (pid,) = [place.pid for place in self.stack_file.places if place.name == name]
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def touring(stack: Stack, name: str, libraries: Libraries, *, existing: str = "") -> Iterator[Tour]:
    """The application as it is strangled; `existing`: SQL that runs before anything is up, its tables were made."""
    with tempfile.TemporaryDirectory(prefix=f"stranger-{name}-") as text:
        lay_over(name, Path(text))
        with up_in(stack, Path(text), ["-m", name, "tables"], libraries, existing=existing) as tour:
            yield tour


@contextmanager
def up_in(
    stack: Stack,
    folder: Path,
    tables: Sequence[str],
    libraries: Libraries = TODAYS,
    *,
    existing: str = "",
    python: str = "",
    **more: str,
) -> Iterator[Tour]:
    """`strangler up` in a folder with a plan, on a database of its own and the session's servers.

    `tables`: what Python runs to make the application's own; `more`: what its processes have in their environment.
    `python`: of an environment in which the application and the toolkit are installed, in place of ours.
    """
    name = f"tour_{secrets.token_hex(5)}"
    dsn = stack.databases.ensure(name)
    environ = {
        **{key: text for key, text in os.environ.items() if not key.startswith(OURS)},
        **on_path(*([folder] if python else filter(None, (libraries.folder, folder, OUTSIDE, HERE.parents[1])))),
        "PYTHONWARNINGS": "ignore::DeprecationWarning",  # of old libraries on a new Python
        "DATABASE_URL": database_url(dsn, libraries.driver),
        "OUTBOX_TOPIC_PREFIX": f"{name}.",
        "STRANGLER_DSN": dsn,
        **more,
    }
    subprocess.run([python or sys.executable, *tables], env=environ, cwd=folder, check=True, timeout=60)
    if existing:
        with psycopg.connect(dsn) as connection:
            connection.execute(existing)
    with tempfile.TemporaryDirectory(prefix=f"strangler-{name}-") as data:
        Path(data).chmod(0o755)
        with _up(stack.bootstrap, folder, Path(data), environ, python or sys.executable) as tour:
            yield tour
    stack.databases.drop(name)


@contextmanager
def _up(bootstrap: str, folder: Path, data: Path, environ: Mapping[str, str], python: str) -> Iterator[Tour]:
    command = [python, "-m", "strangler", "up", "--plan", "plan.py", "--json", "--kafka", bootstrap]
    with (data / "up.log").open("w") as said:
        process = subprocess.Popen(
            [*command, "--folder", str(data)], cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=said, text=True
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline(), "it did not start"
            stack_file = StackFile.read(data)
            assert stack_file is not None
            verbs = {key: text for key, text in environ.items() if key != "STRANGLER_DSN"}
            yield Tour(data, folder, verbs | {"STRANGLER_PLAN": str(folder / "plan.py")}, stack_file, python)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{_logs(data)}") from error
        finally:
            process.terminate()
            process.communicate(timeout=60)


def _logs(data: Path) -> str:
    """The end of every process's log."""
    return "\n".join(f"== {path.name}\n{path.read_text()[-1500:]}" for path in sorted(data.rglob("*.log")))
