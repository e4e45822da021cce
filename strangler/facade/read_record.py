"""A process's copy of the reads' stages, and the counts that it has not told the database yet."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

from strangler.errors import BadInput, StranglerError
from strangler.facade.loop_connection import LoopConnection
from strangler.facade.loop_database import LoopDatabase
from strangler.facade.statement import statement
from strangler.reads.account import Counted
from strangler.reads.table import ADD_COUNTS, STAGES_OF_READS, ReadStage, columns_of, stage_of_read, stages_in

logger = logging.getLogger(__name__)

EVERY_S = 0.5  # so long a move may go unnoticed by a worker
TOLD_WITHIN_S = 5.0  # at the end
_ADD, _STAGES = statement("add_read_counts", ADD_COUNTS), statement("stages_of_reads", STAGES_OF_READS)

Key = tuple[str, int, str, str]  # read, epoch, outcome, detail


class ReadRecord:
    """One loop's. While the database does not answer, the last stages stay and counts wait in memory, where there are
    no more of them than names; before the first answer everything is legacy's.
    """

    def __init__(self, database: LoopDatabase, every_s: float = EVERY_S) -> None:
        self._database, self._every_s = database, every_s
        self._stages: Mapping[str, ReadStage] = MappingProxyType({})
        self._counts: Counter[Key] = Counter()
        self._down = False
        self._stopped = asyncio.Event()
        self._running = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """What has been counted is told, if the database answers in time."""
        self._stopped.set()
        await asyncio.wait([self._running], timeout=TOLD_WITHIN_S)
        if self._counts or not self._running.done():
            logger.warning("reads_not_told", extra={"counts": len(self._counts)})
        await self._database.close(0.0)

    def stage(self, read: str) -> ReadStage:
        return stage_of_read(self._stages, read)

    def count(self, read: str, epoch: int, outcome: str, detail: str = "", reads: int = 1) -> int:
        """How many there are of it that wait to be told."""
        key = (read, epoch, outcome, detail)
        self._counts[key] += reads
        return self._counts[key]

    async def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stopped.is_set()  # then this round is the last, and tells all
            try:
                await self._round()
            except Exception:  # the task's edge: without it no worker would hear of a move any more
                logger.exception("reads_round_failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._stopped.wait()

    async def _round(self) -> None:
        told, self._counts = self._counts, Counter()
        try:
            self._stages = await self._database.run(lambda connection: self._exchange(connection, told))
        except BadInput as error:  # whoever tells them, and however often
            logger.error("reads_refused", extra={"reason": str(error), "counts": len(told), "reads": _reads(told)})
            return
        except StranglerError as error:
            self._counts.update(told)
            if not self._down:
                logger.warning("reads_not_recorded", extra={"reason": str(error)})
            self._down = True
            return
        if self._down:
            logger.info("reads_recorded_again")
        self._down = False

    async def _exchange(self, connection: LoopConnection, told: Counter[Key]) -> Mapping[str, ReadStage]:
        if told:
            await connection.ask(_ADD, columns_of([Counted(*key, reads=reads) for key, reads in told.items()]))
            told.clear()  # what fails from here on must not tell them again
        return stages_in((await connection.ask(_STAGES)).rows)


def _reads(told: Counter[Key]) -> list[str]:
    return sorted({read for read, *_ in told})
