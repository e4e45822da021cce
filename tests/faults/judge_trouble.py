"""What goes on while a judge reads: real orders, vendors in changing moods, moves and hand-backs, kills."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psycopg
import requests

from outbox.connection import PsycopgConnection
from strangler.errors import Refused
from strangler.local.system import System
from strangler.moves import advance, rollback
from strangler.plan import Plan
from strangler.stages import Stage
from tests.faults.flips import STAGE, HandBacks
from tests.support.orders import MIDDLE

ACTOR, REASON = "soak", "at random"
BATCH = 24  # orders of one replay; with start and rest about two a second, so that two cores are not all theirs
REST_S = 4.0
CLIENTS = 3
KILL_EVERY_S = 12.0  # a killed member is missed after ten seconds: more often, and lanes would hardly ever be passed
CALM = {"latency_ms": 0, "slow_share": 0.0, "error_share": 0.0, "seed": 1}
BOOKS = ("payments", "fraud", "mail")
# None declines: one that declines the repeat of what it is still slowly doing makes findings that are true.
MOODS = (
    CALM,
    {**CALM, "latency_ms": 60},
    {**CALM, "slow_share": 0.5, "slow_ms": 400},
    {**CALM, "slow_share": 0.2, "slow_ms": 1500},
    {**CALM, "error_share": 0.1},
)
VICTIMS = ("relay", "relay", "resume", "facade", "facade")  # and one of
CONTEXTS = ("fraud", "inventory", "payment", "notification", "search", "recommendation")


class Replay:
    """Batch after batch of the sample's orders, through the facade, until left."""

    def __init__(self, system: System, seed: int) -> None:
        self._environ = {**os.environ, **system.environ}
        self._seed, self._stop = seed, threading.Event()
        self._thread = threading.Thread(target=self._run, name="replay")
        self.orders: Counter[str] = Counter()
        self.error: Exception | None = None

    def __enter__(self) -> Replay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def settle(self) -> None:
        """To be called when left: whatever ended the traffic early is raised."""
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        batch = 0
        try:
            while not self._stop.is_set():
                self._send(batch)
                batch += 1
                self._stop.wait(REST_S)
        except Exception as error:  # noqa: BLE001 - a thread's edge: `settle` raises it
            self.error = error

    def _send(self, batch: int) -> None:
        argv = [sys.executable, "-m", "legacy_app", "replay", "--json", "--url", self._environ["FACADE_URL"]]
        argv += ["--orders", str(BATCH), "--offset", str(batch * BATCH % 400), "--clients", str(CLIENTS)]
        argv += ["--seed", str(self._seed + batch), "--ref-suffix", f"-{batch}"]
        done = subprocess.run(argv, env=self._environ, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"the replay ended with {done.returncode}: {done.stderr[-500:]}")
        said = json.loads(done.stdout.strip().splitlines()[-1])
        pending, accepted = said["accepted_pending"], said["accepted"]
        self.orders.update({"offered": said["offered"], "answered 201": accepted - pending, "answered 202": pending})
        self.orders.update({"cancellations": said["cancellations_accepted"]})


class Trouble:
    """A thread of moves, moods and kills until left; then everybody runs and every vendor is calm."""

    def __init__(self, system: System, plan: Plan, seed: int) -> None:
        self._system, self._plan, self._rng = system, plan, random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trouble")
        self._hand_backs = HandBacks(plan, system.environ)
        self._next_kill = 0.0
        self.flips: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.error: Exception | None = None

    def __enter__(self) -> Trouble:
        with self._connection() as connection:
            for step in MIDDLE:  # so that orders wait from the start
                advance(connection, self._plan, step, to=Stage.SHADOW, anyway=True, actor=ACTOR, reason=REASON)
                advance(
                    connection, self._plan, step, to=Stage.RAMP, ramp_bp=7_000, anyway=True, actor=ACTOR, reason=REASON
                )
            for step in ("notification", "search", "recommendation"):
                advance(connection, self._plan, step, to=Stage.SHADOW, anyway=True, actor=ACTOR, reason=REASON)
        self._hand_backs.__enter__()
        return self

    def begin(self) -> None:
        """Once the system is warm: the first orders have their end."""
        self._next_kill = time.monotonic() + KILL_EVERY_S
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(90)
        self._hand_backs.__exit__(*exception)

    def settle(self) -> None:
        """To be called when left: the vendors are calm, and what was rolled back is handed back."""
        if self.error is not None:
            raise self.error
        for book in BOOKS:
            self._mood(book, CALM)
        self._hand_backs.finish()
        self.flips["orders handed back"] = self._hand_backs.handed_back

    def _connection(self) -> PsycopgConnection:
        return psycopg.connect(self._system.environ["STRANGLER_DSN"], autocommit=True)

    def _run(self) -> None:
        try:
            with self._connection() as connection:
                while not self._stop.wait(self._rng.uniform(0.5, 2.5)):
                    self._one(connection)
        except Exception as error:  # noqa: BLE001 - a thread's edge: `settle` raises it
            self.error = error

    def _one(self, connection: PsycopgConnection) -> None:
        if time.monotonic() >= self._next_kill:
            self._kill(self._rng.choice([*VICTIMS, self._rng.choice(CONTEXTS)]))
            self._next_kill = time.monotonic() + self._rng.uniform(0.5, 1.5) * KILL_EVERY_S
        elif self._rng.random() < 0.3:
            self._mood(self._rng.choice(BOOKS), self._rng.choice(MOODS))
        else:
            self._flip(connection)

    def _flip(self, connection: PsycopgConnection) -> None:
        """A neighbour move; of the middle most lead to the new side, so that orders wait."""
        step = self._rng.choice([step.name for step in self._plan.taken_over()])
        row = connection.execute(STAGE, [step]).fetchone()
        stage = Stage(row[0]) if row else Stage.LEGACY
        back = self._rng.random() < (0.2 if step in MIDDLE else 0.45)
        if stage is not Stage.LEGACY and (back or stage is Stage.LIVE):
            moved = rollback(connection, self._plan, step, actor=ACTOR, reason=REASON)
            self._hand_backs.ask(step)
            self.flips["back"] += 1
        else:
            to = {Stage.LEGACY: Stage.SHADOW, Stage.SHADOW: Stage.RAMP}.get(stage) or self._rng.choice(
                [Stage.RAMP, Stage.LIVE]
            )
            ramp_bp = self._rng.randrange(3_000, 10_000) if to is Stage.RAMP else None
            moved = advance(
                connection, self._plan, step, to=to, ramp_bp=ramp_bp, anyway=True, actor=ACTOR, reason=REASON
            )
            self.flips["forward"] += 1
        assert not isinstance(moved, Refused), f"{step} from {stage}: {moved}"

    def _kill(self, name: str) -> None:
        """SIGKILL, and a new start; of a facade with workers one of them, which its master replaces."""
        self.kills[name] += 1
        running = self._system.running[name]
        workers = children_of(running.pid) if name == "facade" else []
        if workers:
            os.kill(self._rng.choice(workers), signal.SIGKILL)
            return
        running.kill()
        self._stop.wait(self._rng.uniform(0.0, 1.0))
        running.start()

    def _mood(self, book: str, knobs: dict[str, float]) -> None:
        headers = {"Authorization": f"Bearer {self._system.environ['VENDORS_ADMIN_TOKEN']}"}
        url = f"{self._system.environ['VENDORS_URL']}/knobs/{book}"
        requests.put(url, json=knobs, headers=headers, timeout=10).raise_for_status()


def children_of(pid: int) -> list[int]:
    """Empty where the system does not tell."""
    told = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in told.read_text().split()] if told.exists() else []
