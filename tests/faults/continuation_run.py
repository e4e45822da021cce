"""Plays one seed: a request and a resumer, one of them stopped at a named point and killed, or woken as a zombie."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from outbox.connection import PsycopgConnection
from tests.faults.continuation_case import WAIT_S, Case
from tests.faults.forked import FAILED, fork
from tests.integration.new_side import DETAILS, REFUSALS
from tests.support.orders import MIDDLE, TELLS
from tests.support.waiting import wait_until

HOLD_S = 0.5  # a zombie sleeps that long, longer than all waits
STEP_S = 0.004
WITHIN_S = 60.0

TABLES = """
CREATE SCHEMA IF NOT EXISTS fault;
CREATE TABLE IF NOT EXISTS fault.delivery (
    place bigserial PRIMARY KEY, topic text NOT NULL, order_ref text NOT NULL, type text NOT NULL,
    payload bytea NOT NULL, consumed boolean NOT NULL DEFAULT false)"""
WAITING = "SELECT waits_for FROM strangler.continuation WHERE subject_ref = %s AND state = 'waiting'"
STATUS = "SELECT status FROM legacy.orders WHERE order_ref = %s"
DELIVER = "INSERT INTO fault.delivery (topic, order_ref, type, payload) VALUES (%s, %s, %s, %s)"
AGAIN = "UPDATE fault.delivery SET consumed = false WHERE order_ref = %s"
UNREAD = "SELECT FROM fault.delivery WHERE NOT consumed LIMIT 1"


@dataclass
class Place:
    """Where the seeds are played: a database of this process alone."""

    dsn: str
    vendors_url: str
    folder: Path
    connection: PsycopgConnection

    @classmethod
    def open(cls, dsn: str, vendors_url: str, folder: Path) -> Place:
        connection: PsycopgConnection = psycopg.connect(dsn, autocommit=True)
        connection.execute(TABLES)
        return cls(dsn, vendors_url, folder, connection)


@dataclass
class Play:
    """One seed. `stopped`: the point was met. `answers`: statuses that requests were answered with."""

    place: Place
    case: Case
    stopped: bool = False
    answers: list[int] = field(default_factory=list)
    _children: dict[int, str] = field(default_factory=dict)
    _held: dict[int, float] = field(default_factory=dict)  # stopped ones, and until when
    _due: dict[str, float] = field(default_factory=dict)  # steps of the new side, and when their outcome comes
    _told: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Until the order has its end, everything was delivered twice, and nobody of ours is left."""
        try:
            self._start("resumer", self.case.point if self.case.victim == "resumer" else "")
            self._start("request", self.case.point if self.case.victim == "request" else "")
            self._until(self._ended, "the order has its end")
            self.place.connection.execute(AGAIN, (self.case.order_ref,))
            self._start("request")
            self._until(self._quiet, "what was delivered again has been read")
        finally:
            for pid in self._children:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _until(self, true: Callable[[], bool], what: str) -> None:
        wait_until(
            true,
            lambda: f"seed {self.case.seed}, {what}: {self.case}",
            within_s=WITHIN_S,
            every_s=STEP_S,
            pause=self._play,
        )

    def _play(self, pause_s: float) -> None:
        self._look_after_children()
        self._play_the_new_side()
        time.sleep(pause_s)

    def _ended(self) -> bool:
        row = self.place.connection.execute(STATUS, (self.case.order_ref,)).fetchone()
        at_work = self._held or "request" in self._children.values()
        return row is not None and row[0] in ("placed", "rejected") and not at_work

    def _quiet(self) -> bool:
        return self._ended() and self.place.connection.execute(UNREAD).fetchone() is None

    def _start(self, kind: str, stop_at: str = "") -> None:
        case, place = self.case, self.place
        log = place.folder / f"{kind}-{case.seed}.log"
        environ = {
            "OUTBOX_STOP_AT": stop_at,
            "LEGACY_WAIT_S": str(WAIT_S),
            "STRANGLER_DSN": place.dsn,
            "VENDORS_URL": place.vendors_url,
        }

        def body() -> int:
            from tests.faults import continuation_children as children  # the application reads the environment here

            if kind == "resumer":
                return children.resumer(case.seed)
            return children.request(case.order_ref, case.ownership, case.body())

        self._children[fork(log, environ, body)] = kind

    def _look_after_children(self) -> None:
        for pid in list(self._children):
            found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
            if found and os.WIFSTOPPED(status):
                self.stopped = True
                self._held[pid] = time.monotonic() + (HOLD_S if self.case.fate == "woken later" else 0.0)
                if self._children[pid] == "resumer" and self.case.fate == "woken later":
                    self._start("resumer")
            elif found:
                self._ended_child(pid, self._children.pop(pid), status)
        for pid in [pid for pid, until in self._held.items() if time.monotonic() >= until]:
            del self._held[pid]
            os.kill(pid, signal.SIGKILL if self.case.fate == "killed" else signal.SIGCONT)

    def _ended_child(self, pid: int, kind: str, status: int) -> None:
        self._held.pop(pid, None)
        if os.WIFSIGNALED(status):
            if kind == "resumer" or self.case.retried:
                self._start(kind)
            return
        code = os.WEXITSTATUS(status)
        if kind == "resumer" or code == FAILED:
            log = (self.place.folder / f"{kind}-{self.case.seed}.log").read_text()[-2000:]
            raise RuntimeError(f"seed {self.case.seed}: the {kind} ended with {code}: {log}")
        self.answers.append(200 + code)

    def _play_the_new_side(self) -> None:
        """Each step of the new side that the order waits for has its outcome some time after the order was kept."""
        row = self.place.connection.execute(WAITING, (self.case.order_ref,)).fetchone()
        if row is not None:
            before = MIDDLE[: MIDDLE.index(row[0]) + 1]
            for step in before:
                if step in self.case.new and step not in self._told:
                    self._due.setdefault(step, time.monotonic() + self.case.delay_s)
        for step in [step for step in MIDDLE if self._due.get(step, float("inf")) <= time.monotonic()]:
            del self._due[step]
            self._tell(step)

    def _tell(self, step: str) -> None:
        """After a refusal the later steps have nothing to do."""
        refused_by = self.case.refused_by
        self._told.append(step)
        if refused_by in self._told[:-1]:
            return
        refused = step == refused_by
        outcome = (REFUSALS if refused else DETAILS)[step]
        payload = json.dumps({"order_ref": self.case.order_ref, "outcome": dict(outcome)}).encode()
        row = (step, self.case.order_ref, TELLS[step][refused], payload)
        self.place.connection.execute(DELIVER, row)
