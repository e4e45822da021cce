"""A connection of the facade's own kind, for a test that plays another facade."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from strangler.facade.loop_connection import LoopConnection

R = TypeVar("R")


def on_loop(dsn: str, work: Callable[[LoopConnection], Awaitable[R]]) -> R:
    """What `work` says of a connection that is its own."""

    async def run() -> R:
        connection = await LoopConnection.open(dsn, asyncio.get_running_loop())
        try:
            return await work(connection)
        finally:
            connection.close()

    return asyncio.run(run())
