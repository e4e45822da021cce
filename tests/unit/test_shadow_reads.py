"""Every read that is handed over to be compared ends in one outcome, whenever the comparison is stopped."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from strangler.facade.loop_upstream import LoopUpstream, UpstreamSettings
from strangler.facade.measures import Unmeasured
from strangler.facade.read_copy import ReadCopy, message_pair, refused_hand_over
from strangler.facade.shadow_reads import ShadowReads
from strangler.reads.account import ReadOutcome, Why
from strangler.reads.declared import ReadRoute
from strangler.reads.table import ReadStage, stage_of_read

PAGES = ReadRoute("pages", "GET /pages/{ref}", "PAGES_URL", sticky="subject")
NOBODY = UpstreamSettings("http://127.0.0.1:1")
COPY = ReadCopy("pages", 7, "/pages/1", [("Host", "a")], 200, [], b"{}")


class Counts:
    """A record in memory."""

    def __init__(self) -> None:
        self.found: Counter[tuple[str, str]] = Counter()

    def stage(self, read: str) -> ReadStage:
        return stage_of_read({}, read)

    def count(self, read: str, epoch: int, outcome: str, detail: str = "", reads: int = 1) -> int:
        assert (read, epoch) == (COPY.read, COPY.epoch)
        self.found[outcome, detail] += reads
        return self.found[outcome, detail]


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_what_is_given_up_before_it_has_begun_is_counted_too(at_once: int) -> None:
    async def stopped() -> Counter[tuple[str, str]]:
        loop, told, counts, measures = asyncio.get_running_loop(), asyncio.Event(), Counts(), Unmeasured()
        legacy, candidate = LoopUpstream(NOBODY, loop, measures), LoopUpstream(NOBODY, loop, measures)
        reads = ShadowReads([PAGES], legacy, {"pages": candidate}, record=counts, measures=measures, at_once=at_once)
        sending, receiving = message_pair()
        for _ in range(5):
            assert refused_hand_over(sending, COPY) is None
        sending.close()
        told.set()  # tasks are made in the turn of the loop before the one in which they are given up
        with receiving:
            await asyncio.wait_for(reads.serve(receiving, told), 30)
        return counts.found

    assert asyncio.run(stopped()) == {(ReadOutcome.DROPPED.value, Why.STOPPED.value): 5}
