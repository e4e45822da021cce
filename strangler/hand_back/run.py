"""Hand back a step's subjects: those that the new side has not started and, by the present stage, would not get."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

import requests

from outbox.connection import PsycopgConnection
from outbox.fault_points import FaultPoints
from strangler.addresses import Addresses
from strangler.contexts import Context
from strangler.errors import RefusedError
from strangler.hand_back import tables
from strangler.hand_back.order import HandBackOutcome, HandBackWorker, Legacy
from strangler.hand_back.rounds import Rounds
from strangler.hand_back.tables import HandBackAudit, Order
from strangler.ownership import Owner
from strangler.plan import Plan
from strangler.stages import Stage, StageTable
from strangler.store import read_stages
from strangler.told import told

logger = logging.getLogger(__name__)

THREADS = 4  # legacy serves customers meanwhile
LIMITS = "-c statement_timeout=60s -c lock_timeout=5s"  # a tombstone waits for a handler at work on the subject


@dataclass(frozen=True, slots=True)
class HandBack:
    """Orders by what became of them. `not_committed`: pinned, and legacy does not have them; if they come, the new
    side acts. `failed` ones wait for the next run: with a tombstone nobody acts on them until then. `too_old`: taken
    from the new side, and legacy has nothing left to run them from; nobody will act on them. `elsewhere`: another run,
    at the same time, was first.
    """

    step: str
    stage: Stage
    handed_back: int
    started: int
    not_committed: int
    too_old: int
    failed: int
    elsewhere: int


@dataclass(frozen=True, slots=True)
class Found:
    """A page: subjects to hand back, and how many are not, because they have been started."""

    orders: list[Order]
    started: int


def hand_back(
    plan: Plan,
    environ: Mapping[str, str],
    step: str,
    *,
    actor: str,
    reason: str,
    timeout_s: float = 30.0,
    fault_points: FaultPoints | None = None,
) -> HandBack:
    """Roll back first: at live this only finishes what an interrupted run began. Later calls find nothing to do.

    COMMITS, subject by subject, on connections of its own; stopped anywhere, it goes on when run again. Safe while
    subjects flow and beside another run. `environ` has STRANGLER_DSN, the context's DSN, LEGACY_URL and
    STRANGLER_INTERNAL_TOKEN. Ends about `timeout_s` after its start at the latest.
    """
    told(actor, reason)
    audit, deadline = HandBackAudit(step, actor, reason), time.monotonic() + timeout_s
    with ExitStack() as resources:
        workers = [
            resources.enter_context(_worker(plan, environ, audit, fault_points or FaultPoints()))
            for _ in range(THREADS)
        ]
        pool = resources.enter_context(ThreadPoolExecutor(THREADS, thread_name_prefix="hand_back"))
        rounds = Rounds(pool, workers, deadline)
        resources.callback(rounds.stop)  # before the pool waits for its threads
        table = read_stages(workers[0].main)
        for found in _found(workers[0].main, workers[0].context, table, step):
            rounds.count_started(found.started)
            rounds.attempt(found.orders)
        rounds.retry()
    row, counts = table.row(step), rounds.counts()
    result = HandBack(
        step, row.stage if row else Stage.LEGACY, **{outcome.value: counts[outcome] for outcome in HandBackOutcome}
    )
    logger.info("hand_back_ended", extra=asdict(result))
    return result


def count_unstarted(plan: Plan, environ: Mapping[str, str], step: str) -> int:
    """How many subjects a hand-back would try now; changes nothing, asks legacy nothing."""
    addresses = Addresses(environ, LIMITS, judging=False)
    with addresses.legacy() as main, addresses.context(_context(plan, step)) as context:
        return sum(len(found.orders) for found in _found(main, context, read_stages(main), step))


def _found(main: PsycopgConnection, context: PsycopgConnection, table: StageTable, step: str) -> Iterator[Found]:
    """Orders with a tombstone belong to nobody until they are finished: these at any stage."""
    yield Found(tables.recorded(main, step), 0)
    row = table.row(step)
    for page in tables.pinned_to_new(main, step, table.epoch):
        claims = tables.claimed(context, step, [order.subject_ref for order in page])
        gone = [
            order for order in page if row is None or row.owner_of(order.part_of or order.subject_ref) is not Owner.NEW
        ]
        started = sum(1 for order in gone if claims.get(order.subject_ref) is True)
        unstarted = [order for order in gone if order.subject_ref not in claims]
        begun = [order for order in page if claims.get(order.subject_ref) is False]
        yield Found([*begun, *unstarted], started)


@contextmanager
def _worker(
    plan: Plan, environ: Mapping[str, str], audit: HandBackAudit, fault_points: FaultPoints
) -> Iterator[HandBackWorker]:
    with requests.Session() as session:
        legacy, addresses = Legacy.at(environ, plan, session), Addresses(environ, LIMITS, judging=False)
        with addresses.legacy() as main, addresses.context(_context(plan, audit.step)) as context:
            yield HandBackWorker(main, context, legacy, audit, fault_points)


def _context(plan: Plan, step: str) -> Context:
    context = plan.step(step).context
    if context is None:
        raise RefusedError(
            f"refused: nobody has built {step}'s new side, so it has no subjects; see `strangler status`"
        )
    return context
