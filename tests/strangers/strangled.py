"""A stranger's application as it is strangled: the files that were found, with those laid over them that it changed."""

from __future__ import annotations

import difflib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import requests

from outbox.kafka.python_admin import PythonAdmin
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.strangers.running import HERE, OUTSIDE, Application, database_url, on_path

STRANGLED = "strangled"
PARTITIONS = 2


@dataclass(slots=True)
class Town:
    """One database, the world outside, and the processes that a test starts. `python` runs the application."""

    stack: Stack
    module: str
    dsn: str
    environ: dict[str, str]
    outside: Running
    python: str = sys.executable
    started: list[Running] = field(default_factory=list)

    def spawn(self, name: str, argv: Sequence[str], **environ: str) -> Running:
        """One that is ready when it says so."""
        return self._spawn(name, argv, environ, ready=Running.said_ready)

    def toolkit(self, package: str, *argv: str, **environ: str) -> Running:
        """`python -m strangler ...` or `python -m outbox ...`, until its end."""
        return self.spawn(argv[-1], (sys.executable, "-m", package, *argv), **environ)

    def resume(self, app: str, **environ: str) -> Running:
        """Goes on with subjects that nobody waits for; runs the application's code, so by its Python."""
        return self.spawn("resume", (self.python, "-m", "strangler", "run", "resume", "--app", app), **environ)

    def finish(self, *argv: str, **environ: str) -> None:
        """`python -m ...`, which must do."""
        ended = self._ended(argv, environ)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def command(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """`strangler ...`, to its end."""
        return self._ended(("strangler", *argv), {})

    def facade(self, legacy: Application) -> Running:
        """In front of the application."""
        argv = (sys.executable, "-m", "strangler", "facade")
        environ = {"LEGACY_URL": legacy.url}
        return self._spawn("facade", argv, environ, port_env="FACADE_PORT", ready_path="/-/healthz")

    def _ended(self, argv: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *argv],
            env={**os.environ, **self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def serve(self, **environ: str) -> Application:
        """The application, on a port of its own."""
        served = self._spawn(
            self.module,
            (self.python, "-m", self.module),
            environ,
            port_env="PORT",
            ready_path="/healthz",
        )
        return Application(served.url, self.outside.url, requests.Session(), {**self.environ, **environ})

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(sql, parameters).fetchall()

    def _spawn(self, name: str, argv: Sequence[str], environ: Mapping[str, str], **more: Any) -> Running:
        log = f"{name}-{secrets.token_hex(4)}"
        self.started.append(self.stack.spawn(log, tuple(argv), env={**self.environ, **environ}, **more))
        return self.started[-1]


@contextmanager
def strangled(
    stack: Stack,
    module: str,
    folder: Path,
    topics: Sequence[str],
    *,
    driver: str = "psycopg2",
    python: str = sys.executable,
) -> Iterator[Town]:
    """Its files in `folder`, its tables and the toolkit's in a database of its own, its topics for it alone."""
    lay_over(module, folder)
    name = f"{module}_{secrets.token_hex(5)}"
    dsn = stack.databases.ensure(name)
    prefix = f"t{secrets.token_hex(5)}."
    environ = {
        **on_path(folder, OUTSIDE),
        "DATABASE_URL": database_url(dsn, driver),
        "STRANGLER_DSN": dsn,
        "STRANGLER_PLAN": str(folder / "plan.py"),
        "STRANGLER_INTERNAL_TOKEN": secrets.token_hex(8),
        "KAFKA_BOOTSTRAP": stack.bootstrap,
        "OUTBOX_SLOT": f"outbox_{name}",
        "OUTBOX_TOPIC_PREFIX": prefix,
        "OUTBOX_GROUP_PREFIX": prefix,
    }
    with closing(PythonAdmin(stack.bootstrap)) as admin:
        admin.ensure_topics({f"{prefix}{topic}": PARTITIONS for topic in topics})
    outside = (sys.executable, "-m", "outside")
    world = stack.spawn(f"outside-{name}", outside, env=environ, port_env="PORT", ready_path="/healthz")
    town = Town(stack, module, dsn, {**environ, "OUTSIDE_URL": world.url}, world, python)
    try:
        town.finish(module, "tables")
        town.finish("strangler", "migrate")
        yield town
    finally:
        for one in (*reversed(town.started), world):
            one.kill()
        stack.databases.drop(name)


def lay_over(module: str, folder: Path) -> None:
    """What runs: the application as found, and over it what strangling made of it."""
    found = HERE / module
    shutil.copytree(found, folder, ignore=shutil.ignore_patterns(STRANGLED, "__pycache__"), dirs_exist_ok=True)
    shutil.copytree(found / STRANGLED, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)


def lines_of_strangling(module: str) -> int:
    """Lines of the strangled files that the ones found do not have; blank ones and comments left out."""
    changed = 0
    for path in sorted((HERE / module / STRANGLED).rglob("*.py")):
        before = HERE / module / path.relative_to(HERE / module / STRANGLED)
        found = _lines(before) if before.exists() else []
        blocks = difflib.SequenceMatcher(None, found, _lines(path), autojunk=False).get_opcodes()
        changed += sum(end - start for tag, _, _, start, end in blocks if tag != "equal")
    return changed


def _lines(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]
