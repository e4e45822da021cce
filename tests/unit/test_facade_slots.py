"""So many places: first come, first served, and none is lost whoever gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from strangler.facade.slots import Slots


def started(*waiting: Coroutine[Any, Any, bool]) -> list[asyncio.Task[bool]]:
    return [asyncio.ensure_future(each) for each in waiting]


def test_who_waits_longest_is_next_and_all_are_counted() -> None:
    async def run() -> None:
        uses: list[int] = []
        slots = Slots(1, uses.append)
        assert await slots.take(0)
        first, second = started(slots.take(60), slots.take(60))
        await asyncio.sleep(0)
        slots.give()
        assert await first
        assert not second.done()
        slots.give()
        assert await second
        slots.give()
        assert (sum(uses), await slots.take(0)) == (0, True)

    asyncio.run(run())


def test_who_finds_none_in_time_is_told() -> None:
    async def run() -> None:
        slots = Slots(1, lambda _: None)
        assert await slots.take(0)
        assert not await slots.take(0.001)
        slots.give()
        assert await slots.take(0)

    asyncio.run(run())


@pytest.mark.parametrize("given_at_once", [True, False])
def test_a_place_is_not_lost_with_who_gives_up_as_it_is_given(given_at_once: bool) -> None:
    async def run() -> None:
        uses: list[int] = []
        slots = Slots(1, uses.append)
        assert await slots.take(0)
        leaving, staying = started(slots.take(60), slots.take(60))
        await asyncio.sleep(0)
        if given_at_once:
            slots.give()
            leaving.cancel()
        else:
            leaving.cancel()
            slots.give()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert await staying
        slots.give()
        assert (sum(uses), await slots.take(0)) == (0, True)

    asyncio.run(run())
