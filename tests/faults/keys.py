"""Fault runs of keys: clients that ask again until there is an end, an application that fails, facades that are killed,
stages that move.

`python -m tests.faults keys --seeds 20 --report FILE`. One effect per key, the same answer to each repeat, no key
without an end.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psycopg

from legacy_app.plan.plan import plan as sample
from strangler import store
from strangler.local.process import Running
from strangler.local.stack import Stack
from strangler.moves import Moved, advance, rollback
from tests.faults.key_report import KeyReport
from tests.faults.key_shop import KeyShop
from tests.support.http_stub import http_stub
from tests.support.waiting import comes_true

PLAN = Path(__file__).parents[1] / "support" / "facade_plan.py"
WISHES, DUPLICATES, CLIENTS, FACADES, KILLS = 240, 60, 16, 2, 3
ENDS_WITHIN_S = 60.0
MOVE_EVERY_S = 0.1
ACTOR, REASON = "keys", "at random"
ASK_AGAIN = frozenset({403, 502, 503, 504})  # of this shop: its key is free again, or not yet known
DYNAMIC = frozenset({"server", "date", "connection", "idempotency-replayed"})

Told = tuple[int, tuple[tuple[str, str], ...], bytes]


@dataclass(frozen=True)
class Wish:
    """One request with a key of its own; `name` is its key, and what the application knows it by."""

    name: str
    method: str
    path: str

    def ask(self, facade: Running) -> Told | None:
        """Everything that must be the same each time; None where there is no answer, or none yet."""
        connection = HTTPConnection("127.0.0.1", facade.port, timeout=10)
        body, fields = f'{{"wish": "{self.name}"}}', {"Idempotency-Key": self.name, "Content-Type": "application/json"}
        try:
            connection.request(self.method, self.path, body, fields)
            got = connection.getresponse()
            lasting = tuple(one for one in got.getheaders() if one[0].lower() not in DYNAMIC)
            told = got.status, lasting, got.read()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()
        return None if told[0] in ASK_AGAIN or b":in-progress" in told[2] else told


@dataclass
class KeyPlay:
    """One seed."""

    facades: Sequence[Running]
    shop: KeyShop
    dsn: str
    seed: int
    report: KeyReport = field(default_factory=lambda: KeyReport(seeds=1))

    def run(self) -> KeyReport:
        begun, rng = time.monotonic(), random.Random(self.seed)
        wishes = [self._wish(number) for number in range(WISHES)]
        again = rng.sample(wishes, DUPLICATES)
        # Half of the duplicates come with their first, the others whenever.
        together, later = again[: DUPLICATES // 2], again[DUPLICATES // 2 :]
        requests = [one for wish in wishes for one in ([wish, wish] if wish in together else [wish])]
        for wish in later:
            requests.insert(rng.randrange(len(requests)), wish)
        with Moving(self.dsn, self.seed) as moving, ThreadPoolExecutor(CLIENTS) as pool:
            asked = [(wish, pool.submit(self._until_its_end, wish)) for wish in requests]
            for number in range(1, KILLS + 1):
                due = asked[len(asked) * number // (KILLS + 2)][1]
                comes_true(due.done, within_s=ENDS_WITHIN_S)
                self._kill(self.facades[number % FACADES])
        ends: dict[Wish, list[Told]] = {}
        for wish, future in asked:
            told = future.result()
            ends.setdefault(wish, []).extend([told] if told else [])
        for wish, seen in ends.items():
            self._weigh(wish, seen)
        report = self.report
        report.flips = moving.count
        report.requests, report.keys, report.next_seed = len(requests), len(ends), self.seed + 1
        report.ways, report.seconds = self.shop.ways, time.monotonic() - begun
        return report

    def _wish(self, number: int) -> Wish:
        """Two of three are orders; the others commands of orders that are there."""
        name = f"{self.seed}-{number}"
        kind = number % 6
        if kind == 4:
            return Wish(name, "POST", f"/orders/R{name}/cancellations")
        return Wish(name, "PUT", f"/orders/R{name}/address") if kind == 5 else Wish(name, "POST", "/orders")

    def _until_its_end(self, wish: Wish) -> Told | None:
        begun, rng = time.monotonic(), random.Random()
        told: list[Told] = []

        def ended() -> bool:
            got = wish.ask(rng.choice(self.facades))
            told.extend([got] if got else [])
            return bool(told)

        if not comes_true(ended, within_s=ENDS_WITHIN_S):
            self.report.endless.append(f"seed {self.seed}: {wish}")
            return None
        self.report.longest_key_s = max(self.report.longest_key_s, time.monotonic() - begun)
        return told[0]

    def _kill(self, facade: Running) -> None:
        facade.kill()
        self.report.kills += 1
        facade.start()

    def _weigh(self, wish: Wish, seen: Sequence[Told]) -> None:
        """Against what the application has done, and asked once more of each facade."""
        told = [*seen, *(again for facade in self.facades for again in [wish.ask(facade)] if again)]
        self.report.statuses.update(str(one[0]) for one in seen)
        if len(set(told)) > 1 or (seen and len(told) < len(seen) + FACADES):
            self.report.differing.append(f"seed {self.seed}: {wish}: {set(told)}")
        made, ran = self.shop.made[wish.name], self.shop.ran[wish.name]
        if len(made) > 1 or (ran > 1 and wish.method == "POST"):
            self.report.doubled.append(f"seed {self.seed}: {wish}: {made or ran}")
        if seen and seen[0][0] == 201 and not made and not ran:
            self.report.unmade.append(f"seed {self.seed}: {wish}")


class Moving:
    """Moves stages at random, one move after the other, until the block ends; `count` of them."""

    def __init__(self, dsn: str, seed: int) -> None:
        self._dsn, self._rng = dsn, random.Random(seed)
        self._ended, self._thread = threading.Event(), ThreadPoolExecutor(1)
        self.count = 0

    def __enter__(self) -> Moving:
        self._moving = self._thread.submit(self._move)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.shutdown()
        self._moving.result()

    def _move(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._ended.wait(MOVE_EVERY_S):
                step, back = self._rng.choice(["payment", "notification"]), self._rng.random() < 0.4
                if back:
                    moved = rollback(connection, sample, step, actor=ACTOR, reason=REASON)
                else:
                    ramp_bp = self._rng.choice([None, self._rng.randrange(1, 10_000)])  # some are refused
                    moved = advance(connection, sample, step, ramp_bp=ramp_bp, anyway=True, actor=ACTOR, reason=REASON)
                self.count += isinstance(moved, Moved)


def run_keys(
    stack: Stack, seeds: Sequence[int], earlier: KeyReport, say: Callable[[str], None] = lambda _: None
) -> KeyReport:
    """All seeds, in order, on one database, added to an earlier campaign's. Ctrl-C ends it with what it has."""
    report = earlier
    if not seeds:
        return report
    dsn = stack.database(f"keys_{seeds[0]}", sample)
    with psycopg.connect(dsn, autocommit=True) as connection:
        store.ensure_steps(connection, sample)
    with http_stub() as app:
        facades = [_facade(stack, dsn, app.url, number) for number in range(FACADES)]
        try:
            for seed in seeds:
                report.add(KeyPlay(facades, KeyShop(app, seed), dsn, seed).run())
                found = report.problems() or "no problem"
                say(f"seed {seed}: {report.requests} requests, {report.kills} kills, {report.flips} flips; {found}")
        except KeyboardInterrupt:
            report.interrupted = True
        finally:
            for facade in facades:
                facade.kill()
            with suppress(OSError):
                stack.databases.drop(f"keys_{seeds[0]}")
    return report


def _facade(stack: Stack, dsn: str, upstream: str, number: int) -> Running:
    env = {"STRANGLER_DSN": dsn, "LEGACY_URL": upstream, "STRANGLER_PLAN": str(PLAN)}
    port = stack.take_port()
    flags = ["--port", str(port), "--workers", "2", "--read-timeout-s", "1"]
    argv = [sys.executable, "-m", "strangler", "facade", *flags]
    return stack.spawn(f"facade-keys-{number}-{port}", argv, env=env, port=port, ready_path="/-/healthz")
