"""The way to the application has a time by which it is over: whoever comes then may begin again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from strangler.facade.exchange import NotSent, TooSlow
from strangler.facade.loop_upstream import LoopUpstream, UpstreamSettings
from strangler.facade.measures import Unmeasured
from strangler.facade.message import Outgoing
from tests.support.http_stub import HttpStub, http_stub

ASKED = Outgoing("POST", "/orders", [("Host", "a")])


@pytest.fixture
def app() -> Iterator[HttpStub]:
    with http_stub() as app:
        yield app
        app.release()


async def upstream_of(app: HttpStub) -> LoopUpstream:
    return LoopUpstream(UpstreamSettings(app.url, connections=1), asyncio.get_running_loop(), Unmeasured())


def test_nothing_is_sent_after_its_time(app: HttpStub) -> None:
    async def run() -> None:
        upstream = await upstream_of(app)
        for _ in range(2):
            with pytest.raises(NotSent, match="too long"):
                await upstream.exchange(ASKED, by=time.monotonic())
        (await upstream.exchange(ASKED)).close()  # the one place is free

    asyncio.run(run())
    assert len(app.seen) == 1


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"])
def test_what_trickles_is_over_at_its_time(app: HttpStub, start: bytes) -> None:
    def trickled() -> Iterator[bytes]:
        yield start
        yield from (b"x" for _ in range(98) if not app.held.wait(0.05))

    async def run() -> None:
        upstream = await upstream_of(app)
        exchange = await upstream.exchange(ASKED, by=time.monotonic() + 0.5)
        try:
            while await exchange.read():
                pass
        finally:
            exchange.close()

    app.reply = lambda _: trickled()
    with pytest.raises(TooSlow):
        asyncio.run(run())
    assert not app.held.is_set()
