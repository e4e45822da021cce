"""Reads that another application takes over, put together: in a worker, and in the process that compares."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping

from strangler.facade.caller import caller_fields
from strangler.facade.loop_database import LoopDatabase
from strangler.facade.loop_upstream import LoopUpstream, UpstreamSettings
from strangler.facade.measures import Measures, Unmeasured
from strangler.facade.read_copy import message_pair
from strangler.facade.read_record import ReadRecord
from strangler.facade.read_ways import ReadWays
from strangler.facade.shadow_reads import ShadowReads
from strangler.plan import Plan

CONNECTIONS = 64  # to each candidate, from each process
NICE = 15


class ReadServing:
    """Made before the fork, with the sockets between workers and who compares: each process closes the end that it does
    not use, so that the other's end is heard. `legacy` is the way to it, `candidates` are addresses by the read's name.
    """

    def __init__(self, plan: Plan, dsn: str, legacy: UpstreamSettings, candidates: Mapping[str, str]) -> None:
        self._plan, self._dsn, self._legacy, self._addresses = plan, dsn, legacy, candidates
        self._secret = _secret_fields(plan)
        self._sending, self._receiving = message_pair()
        self._record: ReadRecord | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, measures: Measures) -> ReadWays:
        """A worker's; it ends by `end`."""
        self._receiving.close()
        record = self._record = self._new_record()
        return ReadWays(
            self._plan.reads,
            self._candidates(loop),
            record=record,
            copies=self._sending,
            measures=measures,
            secret=self._secret,
        )

    async def end(self) -> None:
        """What the worker has counted is told."""
        self._sending.close()
        if self._record is not None:
            await self._record.stop()

    async def compare(self, measures: Measures) -> None:
        """Until it is told to stop and no worker is left. Where cores are short, workers go first."""
        os.nice(NICE)
        self._sending.close()
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, told.set)
        legacy = LoopUpstream(self._legacy, loop, Unmeasured())
        record = self._new_record()
        shadow = ShadowReads(
            self._plan.reads, legacy, self._candidates(loop), record=record, measures=measures, secret=self._secret
        )
        try:
            await shadow.serve(self._receiving, told)
        finally:
            await record.stop()

    def close(self) -> None:
        self._sending.close()
        self._receiving.close()

    def _new_record(self) -> ReadRecord:
        return ReadRecord(LoopDatabase(self._dsn, Unmeasured(), size=1))

    def _candidates(self, loop: asyncio.AbstractEventLoop) -> Mapping[str, LoopUpstream]:
        """Reads of one application share its connections."""
        longest_s = max(read.within_s for read in self._plan.reads)
        made = {
            url: LoopUpstream(
                UpstreamSettings(url, connections=CONNECTIONS, read_timeout_s=longest_s), loop, Unmeasured()
            )
            for url in set(self._addresses.values())
        }
        return {read.name: made[self._addresses[read.name]] for read in self._plan.reads}


def _secret_fields(plan: Plan) -> frozenset[str]:
    """By which the plan knows a caller, wherever it says so."""
    named = [plan.subject.caller, *(route.caller for route in plan.routes)]
    named += [] if plan.admission is None else [one.caller or None for one in plan.admission.belongs]
    return frozenset().union(*(caller_fields(callers) for callers in named if callers is not None))
