"""A worker's part of the plan's slots: a row that it renews twice a second, beside the requests."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass
from typing import LiteralString

import psycopg

from outbox.connection import PsycopgConnection
from strangler.admission.lease import EVERY_S, EXPIRES_S, Lease, Renewal, SlotPart
from strangler.facade.brief import brief
from strangler.facade.entrance import Entrance
from strangler.facade.measures import Measures

logger = logging.getLogger(__name__)

FIRST_WITHIN_S = 4.0  # longer than a dead worker's part is its own
AT_FIRST_S = 0.1
SAY_EVERY_S = 60.0
CLOSES_WITHIN_S = 2.0

# One worker at a time, of all that share the slots: held until the transaction's end. The statements after it see what
# the one before has committed.
LOCK: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('strangler.admission_share ' || %(admission)s, 0))"
OTHERS: LiteralString = """
SELECT worker, slots, demand FROM strangler.admission_share
WHERE admission = %(admission)s AND worker <> %(worker)s
    AND renewed_at > clock_timestamp() - make_interval(secs => %(expires_s)s)"""
RENEW: LiteralString = """
WITH expired AS (
    DELETE FROM strangler.admission_share
    WHERE admission = %(admission)s AND worker <> %(worker)s
        AND renewed_at <= clock_timestamp() - make_interval(secs => %(expires_s)s)
)
INSERT INTO strangler.admission_share AS kept (admission, worker, slots, demand, renewed_at)
VALUES (%(admission)s, %(worker)s, %(slots)s, %(demand)s, clock_timestamp())
ON CONFLICT (admission, worker) DO UPDATE
SET slots = excluded.slots, demand = excluded.demand, renewed_at = excluded.renewed_at"""
GIVE_BACK: LiteralString = """
DELETE FROM strangler.admission_share WHERE admission = %(admission)s AND worker = %(worker)s"""


@dataclass(frozen=True, slots=True)
class LeasePlace:
    """`admission`: whose slots, the plan's name. `worker`: a name of this one only. `workers` of this facade."""

    dsn: str
    admission: str
    worker: str
    total: int
    workers: int


class Leases:
    """Renewed in a thread that ends with the process; the entrance is told on its loop. Until it has a slot, or until
    the database has not answered, nobody should be let in: `first`.
    """

    def __init__(self, place: LeasePlace, entrance: Entrance, measures: Measures) -> None:
        self._place, self._entrance, self._measures = place, entrance, measures
        self._loop = asyncio.get_running_loop()
        self._lease = Lease(place.worker, place.total, place.workers)
        self._names = {"admission": place.admission, "worker": place.worker, "expires_s": EXPIRES_S}
        self._connection: PsycopgConnection | None = None
        self._begun, self._stopped = asyncio.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
        self._alone, self._said_at, self._excess = False, -SAY_EVERY_S, 0

    def start(self) -> None:
        self._thread.start()

    async def first(self) -> None:
        try:
            await asyncio.wait_for(self._begun.wait(), FIRST_WITHIN_S)
        except TimeoutError:
            self._lease.failed()  # a server that does not even refuse
            self._tell()
            logger.warning("no_part_of_the_slots_yet", extra={"slots": self._place.total, "see": SEE})

    async def give_back(self) -> None:
        """Its part is anybody's at once."""
        self._stopped.set()
        await asyncio.to_thread(self._thread.join, CLOSES_WITHIN_S)

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopped.wait(wait_s):
            began = time.monotonic()
            self._exchange()
            every_s = EVERY_S if self._begun.is_set() else AT_FIRST_S
            wait_s = max(0.0, every_s - (time.monotonic() - began))
        if self._connection is not None:
            try:
                self._connection.execute(GIVE_BACK, self._names)
            except psycopg.Error:
                logger.info("slots_not_given_back", extra={"until_s": EXPIRES_S})

    def _exchange(self) -> None:
        began, (in_flight, demand) = self._loop.time(), self._entrance.demand()
        try:
            exchange = self._renew(began, in_flight, demand)
        except psycopg.Error as error:
            self._lease.failed()
            self._not_renewed(error)
        else:
            self._lease.written(exchange)
            self._renewed(exchange.excess)
        self._loop.call_soon_threadsafe(self._tell)

    def _renew(self, began: float, in_flight: int, demand: float) -> Renewal:
        if self._connection is None:
            self._connection = brief(self._place.dsn, "strangler-admission")
        with self._connection.transaction():
            self._connection.execute("SET LOCAL synchronous_commit = off")  # it is of no use after a crash
            self._connection.execute(LOCK, self._names)
            others = [SlotPart(*row) for row in self._connection.execute(OTHERS, self._names)]
            exchange = self._lease.exchange(began, others, in_flight, demand)
            slots, demanded = exchange.held.slots, exchange.held.demand
            self._connection.execute(RENEW, {**self._names, "slots": slots, "demand": demanded})
        return exchange

    def _tell(self) -> None:
        """On the loop."""
        self._entrance.resize(self._lease)
        if self._lease.limit(self._loop.time()) > 0:
            self._begun.set()

    def _renewed(self, excess: int) -> None:
        if self._alone:
            self._alone = False
            self._measures.level(-1, "facade_admission_alone")
            logger.info("slots_shared_again")
        if excess != self._excess:
            self._measures.level(excess - self._excess, "facade_admission_excess")
            self._excess = excess
            logger.warning("slots_exceeded", extra={"slots": self._place.total, "excess": excess, "see": SEE})

    def _not_renewed(self, error: psycopg.Error) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if not self._alone:
            self._alone = True
            self._measures.level(1, "facade_admission_alone")
        if time.monotonic() - self._said_at >= SAY_EVERY_S:
            self._said_at = time.monotonic()
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            next_step = "check STRANGLER_DSN; until then this worker keeps to an even part"
            logger.warning("slots_not_shared", extra={"reason": reason, "next_step": next_step})


SEE = "SELECT * FROM strangler.admission_share"
