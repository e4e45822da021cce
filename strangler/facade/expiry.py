"""Forgets keys whose time is over: a bounded number at a time, by one of all facades."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass

from strangler.errors import StranglerError
from strangler.facade.idempotency import RETENTION_S
from strangler.facade.loop_connection import LoopConnection
from strangler.facade.loop_database import LoopDatabase
from strangler.facade.measures import Measures
from strangler.facade.statement import statement

logger = logging.getLogger(__name__)

EVERY_S = 60.0
BATCH, MOST_BATCHES = 1_000, 50  # rows in a transaction, and transactions in a round: over 800 keys a second
EXPIRY_LOCK = 0x5354_4B45_5953  # "STKEYS"

LEASES_S = 120.0  # longer than a request's first lease

# Found by the end of the lease, by which there is an index and which is at most `LEASES_S` after the claim; one that
# was renewed later is forgotten later. Whoever meets another facade at it leaves it to that one.
FORGET_EXPIRED = statement(
    "forget_expired",
    """
WITH mine AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(%(lock)s) AS ours
), expired AS MATERIALIZED (
    SELECT ctid FROM strangler.idempotency
    WHERE (SELECT ours FROM mine) AND lease_until <= now() - make_interval(secs => %(kept_s)s) AND expires_at <= now()
    ORDER BY lease_until LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM strangler.idempotency WHERE ctid = ANY (ARRAY(SELECT ctid FROM expired)) RETURNING state
)
SELECT count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state <> 'done') FROM forgotten""",
)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Keys, with an answer and without."""

    answered: int = 0
    unanswered: int = 0


async def forget_expired(connection: LoopConnection, batch: int = BATCH) -> Forgotten:
    """One batch, committed."""
    values = {"lock": EXPIRY_LOCK, "kept_s": RETENTION_S - LEASES_S, "batch": batch}
    return Forgotten(*(await connection.ask(FORGET_EXPIRED, values)).rows[0])


class Expiry:
    """A worker's part in it: a round every `every_s`, on its loop."""

    def __init__(self, database: LoopDatabase, measures: Measures, every_s: float = EVERY_S) -> None:
        self._database, self._measures, self._every_s = database, measures, every_s

    async def run(self) -> None:
        """Until it is cancelled. Facades that start together do not begin together."""
        wait_s = random.uniform(0, self._every_s)  # noqa: S311 - no secret
        while True:
            await asyncio.sleep(wait_s)
            wait_s = self._every_s
            try:
                forgotten = await self._round()
            except StranglerError as error:
                logger.warning("keys_not_forgotten", extra={"reason": str(error)})
                continue
            if forgotten != Forgotten():
                self._tell(forgotten)

    async def _round(self) -> Forgotten:
        """All that have expired, up to the bound; what is left is the next round's."""
        answered = unanswered = 0
        for _ in range(MOST_BATCHES):
            one = await self._database.run(forget_expired)
            answered, unanswered = answered + one.answered, unanswered + one.unanswered
            if one.answered + one.unanswered < BATCH:
                break
        return Forgotten(answered, unanswered)

    def _tell(self, forgotten: Forgotten) -> None:
        self._measures.expired(forgotten.answered, forgotten.unanswered)
        level = logging.WARNING if forgotten.unanswered else logging.INFO
        told = {"answered": forgotten.answered, "unanswered": forgotten.unanswered}
        logger.log(level, "keys_expired", extra=told)
