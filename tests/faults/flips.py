"""Stage flips and demotions at random under load: for no order and step may both sides act, or neither."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial

import psycopg

from outbox.connection import PsycopgConnection
from strangler.errors import Refused
from strangler.facts import Verdict
from strangler.hand_back import hand_back
from strangler.local.system import System
from strangler.moves import advance, rollback
from strangler.plan import Plan
from strangler.reconcile.run import Report, reconcile
from strangler.stages import Stage
from strangler.step.intents import Json
from tests.faults.customers import Customers
from tests.support.waiting import comes_true

ACTOR, REASON = "flips", "at random"
USED_WITHIN_S = 30.0
SETTLED_WITHIN_S = 60.0

# Independent of the judge: per order and step, did legacy act on it, did the new side? The middle acts on the version
# in which an order is received, the tail on the one in which it is placed.
SIDES = """
SELECT o.order_ref, s.step,
       EXISTS (SELECT FROM strangler.seam_record r
               WHERE (r.subject_ref, r.step, r.version) = (o.order_ref, s.step, s.version) AND r.state = 'done')
       OR EXISTS (SELECT FROM strangler.hand_back h
                  WHERE h.subject_ref = o.order_ref AND h.step = s.step AND h.state = 'done') AS legacy,
       EXISTS (SELECT FROM applied c
               WHERE (c.subject_ref, c.step, c.number) = (o.order_ref, s.step, 100 * s.version)) AS new
FROM legacy.orders o CROSS JOIN (
    SELECT step, CASE WHEN step IN ('fraud', 'inventory', 'payment') THEN 1 ELSE 2 END AS version
    FROM unnest(%(steps)s::text[]) AS named (step)) AS s
WHERE o.status NOT IN ('pending', 'rejected')"""
APPLIED = """
WITH applied AS (
    SELECT subject_ref, step, number FROM fraud.claim WHERE kind = 'applied'
    UNION ALL SELECT subject_ref, step, number FROM inventory.claim WHERE kind = 'applied'
    UNION ALL SELECT subject_ref, step, number FROM payment.claim WHERE kind = 'applied'
    UNION ALL SELECT subject_ref, step, number FROM notification.claim WHERE kind = 'applied'
    UNION ALL SELECT subject_ref, step, number FROM search.claim WHERE kind = 'applied'
    UNION ALL SELECT subject_ref, step, number FROM recommendation.claim WHERE kind = 'applied')"""
OPEN = "SELECT count(*) FROM strangler.continuation WHERE state <> 'done'"
COUNT_SIDES = f"""{APPLIED}
SELECT count(*), count(*) FILTER (WHERE legacy AND new), count(*) FILTER (WHERE NOT legacy AND NOT new)
FROM ({SIDES}) AS sides"""
UNUSED = """
SELECT epoch FROM strangler.stage_move
EXCEPT SELECT epoch FROM strangler.ownership ORDER BY epoch"""
USED = "SELECT EXISTS (SELECT FROM strangler.ownership WHERE epoch = %s)"
PINNED = "SELECT count(*) FROM strangler.ownership"
STAGE = "SELECT stage FROM strangler.stage WHERE step = %s"


@dataclass(slots=True)
class FlipReport:
    """What the run did and found. `both` and `neither` count (order, step) pairs and must stay 0, as must `pending`:
    orders that still wait for a step when all has settled.
    """

    seed: int
    flips: int = 0
    demotions: int = 0
    stalls: int = 0
    orders: int = 0
    retries: int = 0
    handed_back: int = 0
    both: int = 0
    neither: int = 0
    pending: int = 0
    epochs_unused: list[int] = field(default_factory=list)
    findings: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Json]:
        return asdict(self)


def run_flips(system: System, plan: Plan, *, flips: int, seed: int) -> FlipReport:
    """Flip at random while customers order through all facades; then let everything settle, and count sides."""
    report, rng, begun = FlipReport(seed), random.Random(seed), time.monotonic()
    with (
        psycopg.connect(system.environ["STRANGLER_DSN"], autocommit=True) as connection,
        HandBacks(plan, system.environ) as hand_backs,
    ):
        stalls = Stalls(system, connection, rng)
        with Customers(system.environ["FACADE_URL"], seed) as customers:
            for _ in range(flips):
                flip(connection, plan, rng, report, hand_backs=hand_backs, stalls=stalls)
        report.orders, report.retries = len(customers.accepted), customers.retries
        hand_backs.finish()
        report.handed_back, report.stalls = hand_backs.handed_back, stalls.count
        comes_true(lambda: connection.execute(OPEN).fetchone() == (0,), within_s=SETTLED_WITHIN_S)
        (report.pending,) = connection.execute(OPEN).fetchone() or (-1,)
        judged = reconcile(plan, system.environ, everything=True, timeout_s=SETTLED_WITHIN_S)
        steps = {"steps": [step.name for step in plan.taken_over()]}
        _, report.both, report.neither = connection.execute(COUNT_SIDES, steps).fetchone() or (0, -1, -1)
        report.epochs_unused = [row[0] for row in connection.execute(UNUSED)]
    report.findings = findings_of(judged)
    report.seconds = round(time.monotonic() - begun, 1)
    return report


def findings_of(judged: Report) -> dict[str, int]:
    """Everything but matches, over all steps. ORPHAN is legacy's own disease: a mail, then no commit."""
    kinds = set(Verdict) - {Verdict.MATCH, Verdict.ORPHAN}
    return {kind.value: sum(counts[kind] for counts in judged.counts.values()) for kind in sorted(kinds)}


class Stalls:
    """Stops a step's service before some demotions, so that orders wait unstarted; it goes on after the hand-back, and
    meets the tombstones, as a zombie would.
    """

    def __init__(self, system: System, connection: PsycopgConnection, rng: random.Random) -> None:
        self._system, self._connection, self._rng = system, connection, rng
        self.count = 0

    def maybe(self, step: str) -> AbstractContextManager[None]:
        return self._stalled(step) if self._rng.random() < 0.25 else nullcontext()

    @contextmanager
    def _stalled(self, step: str) -> Iterator[None]:
        pid = self._system.running[step].pid
        os.kill(pid, signal.SIGSTOP)
        self.count += 1
        try:
            enough = self._pinned() + 4
            comes_true(lambda: self._pinned() >= enough, within_s=USED_WITHIN_S, every_s=0.005)
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _pinned(self) -> int:
        row = self._connection.execute(PINNED).fetchone()
        return int(row[0]) if row else 0


def flip(
    connection: PsycopgConnection,
    plan: Plan,
    rng: random.Random,
    report: FlipReport,
    *,
    hand_backs: HandBacks,
    stalls: Stalls,
) -> None:
    """One random neighbour move; the next one waits until an order was pinned in the new epoch."""
    step = rng.choice([step.name for step in plan.taken_over()])
    row = connection.execute(STAGE, [step]).fetchone()
    stage = Stage(row[0]) if row else Stage.LEGACY
    if stage is not Stage.LEGACY and (stage is Stage.LIVE or rng.random() < 0.4):
        with stalls.maybe(step):
            moved = rollback(connection, plan, step, actor=ACTOR, reason=REASON)
            hand_backs.ask(step)
            hand_backs.wait()
        report.demotions += 1
    else:
        to = {Stage.LEGACY: Stage.SHADOW, Stage.SHADOW: Stage.RAMP}.get(stage, rng.choice([Stage.RAMP, Stage.LIVE]))
        ramp_bp = rng.randrange(1, 10_000) if to is Stage.RAMP else None
        moved = advance(connection, plan, step, to=to, ramp_bp=ramp_bp, anyway=True, actor=ACTOR, reason=REASON)
    assert not isinstance(moved, Refused), f"{step} from {stage}: {moved}"
    report.flips += 1
    for epoch in moved.epochs:
        comes_true(partial(is_used, connection, epoch), within_s=USED_WITHIN_S, every_s=0.005)


def is_used(connection: PsycopgConnection, epoch: int) -> bool:
    """Whether an order was pinned in it; an epoch that never is stands in the report."""
    row = connection.execute(USED, [epoch]).fetchone()
    return bool(row and row[0])


class HandBacks:
    """Runs the hand-back of each demoted step beside the traffic, one at a time, and all of them at the end."""

    def __init__(self, plan: Plan, environ: Mapping[str, str]) -> None:
        self._plan, self._environ = plan, environ
        self._asked: set[str] = set()
        self._wake, self._stop, self._idle = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, name="hand-backs")
        self.handed_back = 0
        self.errors: list[Exception] = []

    def ask(self, step: str) -> None:
        self._asked.add(step)
        self._wake.set()

    def wait(self) -> None:
        """Until what was asked has been run once."""
        comes_true(lambda: self._idle.is_set() and not self._asked, within_s=60)

    def finish(self) -> None:
        """Stop the thread, then hand back what is left of every step."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=60)
        if self.errors:
            raise self.errors[0]
        for step in self._plan.taken_over():
            self._run(step.name)

    def __enter__(self) -> HandBacks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=60)

    def _serve(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(timeout=1)
            self._wake.clear()
            self._idle.clear()
            while self._asked and not self._stop.is_set():
                try:
                    self._run(self._asked.pop())
                except Exception as error:  # noqa: BLE001 - a thread's edge: finish() raises it
                    self.errors.append(error)
            self._idle.set()

    def _run(self, step: str) -> None:
        done = hand_back(self._plan, self._environ, step, actor=ACTOR, reason=REASON, timeout_s=20)
        self.handed_back += done.handed_back
