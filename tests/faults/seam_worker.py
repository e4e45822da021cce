"""An application's one worker process, forked from a server that has loaded its libraries, as servers fork theirs."""

from __future__ import annotations

import os
import runpy
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import requests

from tests.support.waiting import wait_until

LIBRARIES = ["flask_sqlalchemy", "psycopg2", "requests", "runpy", "strangler.flask", __name__]
WITHIN_S = 30.0


def forks() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    return context


@dataclass(frozen=True, slots=True)
class Worker:
    """Ends with us, also where we are killed: then `alive` is closed."""

    process: ForkServerProcess
    alive: Connection
    log: Path

    @classmethod
    def start(cls, forks: ForkServerContext, module: str, log: Path, environ: Mapping[str, str]) -> Worker:
        """`python -m MODULE`, serving on PORT of `environ` when this returns."""
        log.touch()
        theirs, ours = Pipe(duplex=False)
        process = forks.Process(target=serve, args=(module, log, dict(environ), theirs), daemon=True)
        process.start()
        theirs.close()
        worker = cls(process, ours, log)
        wait_until(lambda: worker.answers(environ["PORT"]), worker.last_words, within_s=WITHIN_S)
        return worker

    def answers(self, port: str) -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
        return False

    def stopped_at(self, point: str) -> bool:
        return f"stopped_at {point}" in self.log.read_text() and self._state() == "T"

    def kill(self) -> None:
        self.process.kill()
        self.process.join(WITHIN_S)
        assert self.process.exitcode is not None, f"{self.process.pid} does not end"
        self.alive.close()

    def last_words(self) -> str:
        return self.log.read_text()[-2_000:]

    def _state(self) -> str:
        """As in `/proc/PID/stat`, T: stopped by a signal; empty for one that is gone."""
        with suppress(FileNotFoundError, ProcessLookupError):
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return ""


def serve(module: str, log: Path, environ: Mapping[str, str], alive: Connection) -> None:
    """In the child."""
    with log.open("a") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.environ.update(environ)
    sys.path[:0] = environ["PYTHONPATH"].split(os.pathsep)
    sys.argv = [module]
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with(alive: Connection) -> None:
    with suppress(EOFError, OSError):
        alive.recv()
    os._exit(0)
